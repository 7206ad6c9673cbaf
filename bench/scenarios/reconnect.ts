import { setTimeout as delay } from 'node:timers/promises';
import { connectCrowd, dropCrowd, names } from '../generator/crowd.js';
import { parameter, type Figures, type Job } from '../generator/job.js';
import { Latencies } from '../generator/latencies.js';
import { Meter } from '../generator/meter.js';
import { pendingOnceQuiet } from '../generator/our-stats.js';
import { Flow, Traffic } from '../generator/traffic.js';
import { contentOf } from '../wire/frame-template.js';
import { LANGUAGES } from '../wire/languages.js';
import type { Link, LinkEvents } from '../wire/link.js';

const STORE_MS = 180_000;
const SERVED_MS = 120_000;
const RETRY_MS = 100;
const SENDERS = 50;
const WINDOW = 8;

/**
 * F: `clients` are cut off, `pending` messages are stored for each, and all come back at once. A client is served when
 * it is connected and has its messages.
 */
export async function reconnect(job: Job): Promise<Figures> {
  const language = LANGUAGES[job.language];
  const users = names('o', parameter(job, 'clients'));
  const pending = parameter(job, 'pending');
  const traffic = new Traffic({ next: 'ack', awaits: 'acks' });
  await dropCrowd(await connectCrowd(language, job.port, users, traffic), job);
  if (pending > 0) await fill(job, users, traffic);
  const storm = new Storm(pending, (user, events) => language.connect(job.port, user, events));
  const meter = new Meter(job);
  await storm.run(users);
  const usage = meter.read();
  const left = job.hasStats ? await pendingOnceQuiet(job.port, 0, SERVED_MS) : 0;
  await dropCrowd([...storm.ready], job);
  return {
    ...usage,
    allServedMs: storm.lastMs,
    servedP50Ms: storm.times.quantileMs(0.5),
    cpuMs: usage.serverCpuSeconds * 1_000,
    served: storm.served,
    refused: storm.refused,
    sent: traffic.sent,
    acked: traffic.acked,
    delivered: storm.delivered,
    lost: Math.max(0, traffic.sent - storm.delivered) + users.length - storm.served,
    repeated: Math.max(0, storm.delivered - traffic.sent),
    disordered: storm.disordered,
    unconfirmed: left,
  };
}

async function fill(job: Job, users: readonly string[], traffic: Traffic): Promise<void> {
  const language = LANGUAGES[job.language];
  const links = await connectCrowd(language, job.port, names('s', Math.min(SENDERS, users.length)), traffic);
  const templates = users.map((user) => language.direct(user, contentOf(parameter(job, 'bytes'))));
  const flows = links.map((link, index) => {
    const own = templates.filter((_, of) => of % links.length === index);
    return new Flow(link, own, own.length * parameter(job, 'pending'));
  });
  traffic.start(flows, WINDOW);
  await traffic.quotaSettled(STORE_MS);
  await dropCrowd(links, job);
}

/** All connect at once. A client that is refused tries again. */
class Storm implements LinkEvents {
  served = 0;
  refused = 0;
  delivered = 0;
  disordered = 0;
  lastMs = NaN;
  readonly times = new Latencies();
  readonly ready = new Set<Link>();
  private startedAt = 0;
  private ended: string | null = null;

  constructor(
    private readonly pending: number,
    private readonly connect: (user: string, events: LinkEvents) => Link,
  ) {}

  async run(users: readonly string[]): Promise<void> {
    this.startedAt = performance.now();
    for (const user of users) this.connect(user, this);
    while (this.served < users.length && performance.now() - this.startedAt < SERVED_MS && !this.ended) await delay(2);
    if (this.ended) throw new Error(this.ended);
  }

  onReady(link: Link): void {
    this.ready.add(link);
    this.settle(link);
  }

  onDelivery(link: Link): void {
    this.delivered += 1;
    this.disordered = Math.max(this.disordered, link.disordered);
    if (this.ready.has(link)) this.settle(link);
  }

  onEnd(link: Link, reason: string): void {
    if (this.ready.has(link)) this.ended ??= `the connection of ${link.user} ended: ${reason}`;
    this.refused += 1;
    setTimeout(() => this.connect(link.user, this), RETRY_MS);
  }

  onAck(): void {}
  onChunkEnd(): void {}

  private settle(link: Link): void {
    if (link.received !== this.pending) return;
    this.served += 1;
    const ms = performance.now() - this.startedAt;
    this.times.add(ms * 1_000);
    this.lastMs = ms;
  }
}
