import { setTimeout as delay } from 'node:timers/promises';
import { connectCrowd, names } from '../generator/crowd.js';
import { parameter, type Figures, type Job } from '../generator/job.js';
import { measured, SETTLE_MS } from '../generator/measured.js';
import { Flow, Traffic } from '../generator/traffic.js';
import { contentOf } from '../wire/frame-template.js';
import { LANGUAGES } from '../wire/languages.js';

/**
 * A: pairs of users, one of whom writes to the other. `window` messages are outstanding in each pair, or in all pairs
 * together with `spread`. A message is complete when its sender has the acknowledgement, or when it came if the peer does
 * not acknowledge.
 */
export async function relay(job: Job): Promise<Figures> {
  const pairs = parameter(job, 'pairs');
  const language = LANGUAGES[job.language];
  const spread = parameter(job, 'spread') === 1;
  const traffic = new Traffic(
    language.acknowledges
      ? { next: 'ack', awaits: 'both', spread }
      : { next: 'delivery', awaits: 'deliveries', spread },
  );
  const [senders, recipients] = [names('s', pairs), names('r', pairs)];
  const links = await connectCrowd(language, job.port, [...recipients, ...senders], traffic);
  const linkOf = new Map(links.map((link) => [link.user, link]));
  const content = contentOf(parameter(job, 'bytes'));
  const flows = senders.map((user, index) => {
    const recipient = recipients[index]!;
    linkOf.get(recipient)!.flow = index;
    return new Flow(linkOf.get(user)!, [language.direct(recipient, content)]);
  });
  traffic.start(flows, parameter(job, 'window'));
  await delay(parameter(job, 'warmSeconds') * 1_000);
  await traffic.everybodySent(SETTLE_MS);
  return measured(job, traffic, links, () => delay(parameter(job, 'seconds') * 1_000));
}
