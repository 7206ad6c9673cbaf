import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { connectCrowd } from '../generator/crowd.js';
import { parameter, type Figures, type Job } from '../generator/job.js';
import { measured, SETTLE_MS } from '../generator/measured.js';
import { Flow, Traffic } from '../generator/traffic.js';
import { contentOf } from '../wire/frame-template.js';
import { LANGUAGES } from '../wire/languages.js';

/**
 * I: pairs of users of one chat with several processes, one of whom writes to the other. Both are on the process that is
 * the home of both (`atHome`), or each is on any. `window` messages are outstanding in each pair; with a window of 0,
 * `perSecond` messages are written in all, whether earlier ones were answered or not.
 */
export async function cluster(job: Job): Promise<Figures> {
  const [pairs, window, perSecond] = [parameter(job, 'pairs'), parameter(job, 'window'), parameter(job, 'perSecond')];
  const language = LANGUAGES[job.language];
  const traffic = new Traffic({ next: 'ack', awaits: 'both' });
  const [senders, recipients] = [namesOf('s', pairs, job), namesOf('r', pairs, job)];
  const users = [...recipients, ...senders];
  const anywhere = () => Math.floor(Math.random() * job.servers.length);
  const places = users.map((_, index) =>
    parameter(job, 'atHome') === 1 ? (index % pairs) % job.servers.length : anywhere(),
  );
  const crowds = job.servers.map(async ({ port }, place) => {
    const there = users.filter((_, index) => places[index] === place);
    return there.length === 0 ? [] : connectCrowd(language, port, there, traffic);
  });
  const links = (await Promise.all(crowds)).flat();
  const linkOf = new Map(links.map((link) => [link.user, link]));
  const content = contentOf(parameter(job, 'bytes'));
  const flows = senders.map((user, index) => {
    linkOf.get(recipients[index]!)!.flow = index;
    return new Flow(linkOf.get(user)!, [language.direct(recipients[index]!, content)]);
  });
  const [seconds, warmSeconds] = [parameter(job, 'seconds'), parameter(job, 'warmSeconds')];
  if (window > 0) {
    traffic.start(flows, window);
    await delay(warmSeconds * 1_000);
    await traffic.everybodySent(SETTLE_MS);
    return measured(job, traffic, links, () => delay(seconds * 1_000));
  }
  let turn = 0;
  const draw = () => turn++ % pairs;
  await traffic.arrive(flows, perSecond, Math.max(pairs, Math.round(perSecond * warmSeconds)), draw);
  const run = () => traffic.arrive(flows, perSecond, Math.round(perSecond * seconds), draw);
  // As in H, the generator spins until the next message is due.
  const { generatorPercent: _, ...figures } = await measured(job, traffic, links, run);
  return { ...figures, lateP99Ms: traffic.lateness.quantileMs(0.99) };
}

/** Names of equal length, whose homes are the processes in turn. Where there are no homes, any will do. */
function namesOf(letter: string, count: number, { homes, servers }: Job): string[] {
  const names: string[] = [];
  for (let number = 0; names.length < count; number += 1) {
    const name = letter + String(number).padStart(6, '0');
    if (!homes || homes[slotOf(name, homes.length)] === names.length % servers.length) names.push(name);
  }
  return names;
}

/** The slot of a user, as in src/offline-messages/slot.ts. */
function slotOf(user: string, slots: number): number {
  return createHash('md5').update(user).digest().readUInt16BE(0) % slots;
}
