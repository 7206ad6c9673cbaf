import { CHANNEL_MIX, drawTalker, type Mix } from '../generator/channel-mix.js';
import { connectCrowd, names } from '../generator/crowd.js';
import { parameter, type Figures, type Job } from '../generator/job.js';
import { measured } from '../generator/measured.js';
import { Flow, Traffic } from '../generator/traffic.js';
import { contentOf } from '../wire/frame-template.js';
import { LANGUAGES } from '../wire/languages.js';

/**
 * H: `talkers` of the `connections` write, `perSecond` messages in all, whether earlier ones were answered or not. Each
 * writes to the next one, so that the order is known. All talk equally and write `bytes`, or as in a channel with `mix`.
 */
export async function open(job: Job): Promise<Figures> {
  const [talkers, perSecond] = [parameter(job, 'talkers'), parameter(job, 'perSecond')];
  const language = LANGUAGES[job.language];
  const traffic = new Traffic({ next: 'ack', awaits: language.acknowledges ? 'both' : 'deliveries' });
  const links = await connectCrowd(language, job.port, names('r', parameter(job, 'connections')), traffic);
  const mix: Mix = parameter(job, 'mix') === 1 ? CHANNEL_MIX : { lengths: [parameter(job, 'bytes')], shares: [1] };
  const contents = mix.lengths.map(contentOf);
  const flows = links.slice(0, talkers).map((link, index) => {
    const templates = contents.map((content) => language.direct(links[(index + 1) % talkers]!.user, content));
    const first = index % templates.length;
    return new Flow(link, [...templates.slice(first), ...templates.slice(0, first)]);
  });
  // The first message of each costs more than those that follow.
  let turn = 0;
  await traffic.arrive(flows, perSecond, talkers, () => turn++);
  const draw = () => drawTalker(mix, talkers);
  await traffic.arrive(flows, perSecond, Math.round(perSecond * parameter(job, 'warmSeconds')), draw);
  const run = () => traffic.arrive(flows, perSecond, Math.round(perSecond * parameter(job, 'seconds')), draw);
  // The generator spins until the next message is due, so its CPU time says nothing. How late it wrote does.
  const { generatorPercent: _, ...figures } = await measured(job, traffic, links, run);
  return { ...figures, lateP99Ms: traffic.lateness.quantileMs(0.99) };
}
