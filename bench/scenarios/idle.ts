import { setTimeout as delay } from 'node:timers/promises';
import { connectCrowd, dropCrowd, names } from '../generator/crowd.js';
import { parameter, type Figures, type Job } from '../generator/job.js';
import { Meter } from '../generator/meter.js';
import { memoryKib } from '../generator/process-figures.js';
import { Traffic } from '../generator/traffic.js';
import { LANGUAGES } from '../wire/languages.js';

/**
 * C: `connections` that do nothing, opened 100 at a time. It measures what each costs to open, and its memory when all
 * are open.
 */
export async function idle(job: Job): Promise<Figures> {
  const connections = parameter(job, 'connections');
  const traffic = new Traffic({ next: 'ack', awaits: 'acks' });
  const before = memoryKib(job.pid).now;
  const meter = new Meter(job);
  const links = await connectCrowd(LANGUAGES[job.language], job.port, names('r', connections), traffic);
  const usage = meter.read();
  await delay(parameter(job, 'settleSeconds') * 1_000);
  traffic.check();
  const after = memoryKib(job.pid).now;
  await dropCrowd(links, job);
  return {
    ...usage,
    connectsPerSecond: connections / usage.seconds,
    cpuMsPerConnect: (usage.serverCpuSeconds * 1_000) / connections,
    kibPerConnection: (after - before) / connections,
    beforeMib: before / 1_024,
    sent: connections,
    lost: connections - links.length,
  };
}
