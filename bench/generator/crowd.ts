import { setTimeout as delay } from 'node:timers/promises';
import type { Language } from '../wire/languages.js';
import type { Link, LinkEvents } from '../wire/link.js';
import type { Job } from './job.js';
import { openFiles } from './process-figures.js';

/**
 * How long a crowd stays after its last message, in milliseconds. A text client that leaves within 50 ms may get the
 * last ones again, and would count them in the next scenario.
 */
const LAST_PINGS_MS = 100;

const ABSENT_MS = 60_000;

/** Names of equal length: `r000042`. Those that start with `o` are away when they are written to. */
export function names(letter: 's' | 'r' | 'o', count: number): string[] {
  return Array.from({ length: count }, (_, index) => letter + String(index).padStart(6, '0'));
}

/** Connects them all, `inFlight` at a time; rejects when one of them ends. Afterwards the links report to `events`. */
export function connectCrowd(
  language: Language,
  port: number,
  users: readonly string[],
  events: LinkEvents,
  inFlight = 100,
): Promise<Link[]> {
  return new Promise((resolve, reject) => {
    const links: Link[] = [];
    let ready = 0;
    const gate: LinkEvents = {
      onReady(link) {
        link.events = events;
        ready += 1;
        if (ready === users.length) resolve(links);
        else open();
      },
      onDelivery: (link, seq, timeUs) => events.onDelivery(link, seq, timeUs),
      onAck: (link, key) => events.onAck(link, key),
      onChunkEnd: () => events.onChunkEnd(),
      onEnd: (link, reason) => reject(new Error(`the connection of ${link.user} ended: ${reason}`)),
    };
    const open = () => {
      if (links.length < users.length) links.push(language.connect(port, users[links.length]!, gate));
    };
    for (let index = 0; index < Math.min(inFlight, users.length); index += 1) open();
  });
}

/** Resets the connections (RST), and waits until the server has noticed. */
export async function dropCrowd(links: readonly Link[], { servers }: Pick<Job, 'servers'>): Promise<void> {
  const open = () => servers.reduce((sum, { pid }) => sum + openFiles(pid), 0);
  await delay(LAST_PINGS_MS);
  const before = open();
  for (const link of links) link.drop();
  const deadline = performance.now() + ABSENT_MS;
  while (open() > before - links.length) {
    if (performance.now() > deadline)
      throw new Error(`the server still holds connections that were reset ${ABSENT_MS} ms ago`);
    await delay(10);
  }
}
