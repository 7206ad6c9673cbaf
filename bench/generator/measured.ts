import type { Link } from '../wire/link.js';
import { dropCrowd } from './crowd.js';
import type { Figures, Job } from './job.js';
import { Meter } from './meter.js';
import type { Traffic } from './traffic.js';

/** How long what is outstanding may take, in milliseconds. */
export const SETTLE_MS = 20_000;

/** Measures traffic that is warm while `run` goes on. Then waits for what is outstanding, and drops the crowd. */
export async function measured(
  job: Job,
  traffic: Traffic,
  links: readonly Link[],
  run: () => Promise<void>,
): Promise<Figures> {
  traffic.check();
  traffic.deliveryTimes.clear();
  traffic.lateness.clear();
  const before = traffic.delivered;
  const meter = new Meter(job);
  await run();
  const usage = meter.read();
  const messages = traffic.delivered - before;
  const [p50Ms, p99Ms] = [traffic.deliveryTimes.quantileMs(0.5), traffic.deliveryTimes.quantileMs(0.99)];
  await traffic.settle(SETTLE_MS);
  traffic.check();
  await dropCrowd(links, job);
  return {
    ...usage,
    p50Ms,
    p99Ms,
    perSecond: messages / usage.seconds,
    cpuPerMillion: (usage.serverCpuSeconds / messages) * 1e6,
    ...(job.busPid === null ? {} : { busCpuPerMillion: (usage.busCpuSeconds / messages) * 1e6 }),
    ...traffic.account(links),
  };
}
