import { setTimeout as delay } from 'node:timers/promises';
import { connectCrowd, dropCrowd, names } from '../generator/crowd.js';
import { parameter, type Figures, type Job } from '../generator/job.js';
import { Meter } from '../generator/meter.js';
import { Flow, Traffic } from '../generator/traffic.js';
import { contentOf } from '../wire/frame-template.js';
import { LANGUAGES } from '../wire/languages.js';

const SETTLE_MS = 20_000;

/**
 * B: one of `connections` writes to all, itself included, with `window` broadcasts outstanding. Deliveries are counted.
 */
export async function broadcast(job: Job): Promise<Figures> {
  const connections = parameter(job, 'connections');
  const language = LANGUAGES[job.language];
  const traffic = new Traffic({ next: 'delivery', awaits: 'deliveries', recipients: connections });
  const links = await connectCrowd(language, job.port, names('r', connections), traffic);
  for (const link of links) link.flow = 0;
  traffic.start(
    [new Flow(links[0]!, [language.broadcast(contentOf(parameter(job, 'bytes')))])],
    parameter(job, 'window'),
  );
  await delay(parameter(job, 'warmSeconds') * 1_000);
  traffic.check();
  traffic.deliveryTimes.clear();
  const before = traffic.delivered;
  const meter = new Meter(job.pid);
  await delay(parameter(job, 'seconds') * 1_000);
  const usage = meter.read();
  const messages = traffic.delivered - before;
  const [p50Ms, p99Ms] = [traffic.deliveryTimes.quantileMs(0.5), traffic.deliveryTimes.quantileMs(0.99)];
  await traffic.settle(SETTLE_MS);
  traffic.check();
  await dropCrowd(links, job.pid);
  return {
    ...usage,
    p50Ms,
    p99Ms,
    perSecond: messages / usage.seconds,
    cpuPerMillion: (usage.serverCpuSeconds / messages) * 1e6,
    ...traffic.account(links),
  };
}
