import { setTimeout as delay } from 'node:timers/promises';
import { connectCrowd, dropCrowd, names } from '../generator/crowd.js';
import { parameter, type Figures, type Job } from '../generator/job.js';
import { Meter } from '../generator/meter.js';
import { pendingOnceQuiet } from '../generator/our-stats.js';
import { memoryKib, resetPeakMemory } from '../generator/process-figures.js';
import { Flow, Traffic } from '../generator/traffic.js';
import { contentOf } from '../wire/frame-template.js';
import { LANGUAGES } from '../wire/languages.js';

const STORE_MS = 120_000;
const DRAIN_MS = 60_000;
const WINDOW = 64;

/** E: a user who was away connects and gets `pending` messages. */
export async function drain(job: Job): Promise<Figures> {
  const language = LANGUAGES[job.language];
  const pending = parameter(job, 'pending');
  const traffic = new Traffic({ next: 'ack', awaits: 'acks' });
  const [user] = names('o', 1);
  if (job.language === 'mqtt') await dropCrowd(await connectCrowd(language, job.port, [user!], traffic), job);
  const [sender] = await connectCrowd(language, job.port, names('s', 1), traffic);
  traffic.start([new Flow(sender!, [language.direct(user!, contentOf(parameter(job, 'bytes')))], pending)], WINDOW);
  await traffic.quotaSettled(STORE_MS);
  const before = memoryKib(job.pid).now;
  resetPeakMemory(job.pid);
  const meter = new Meter(job);
  const startedAt = performance.now();
  let [firstMs, lastMs] = [NaN, NaN];
  const reader = new Traffic({ next: 'ack', awaits: 'acks' });
  const onDelivery = reader.onDelivery.bind(reader);
  reader.onDelivery = (link, seq, timeUs) => {
    lastMs = performance.now() - startedAt;
    if (reader.delivered === 0) firstMs = lastMs;
    onDelivery(link, seq, timeUs);
  };
  const [link] = await connectCrowd(language, job.port, [user!], reader);
  while (reader.delivered < pending && performance.now() - startedAt < DRAIN_MS && !reader.fault) await delay(1);
  const usage = meter.read();
  const peakMib = (memoryKib(job.pid).peak - before) / 1_024;
  reader.check();
  const left = job.hasStats ? await pendingOnceQuiet(job.port, parameter(job, 'others'), DRAIN_MS) : 0;
  await dropCrowd([sender!, link!], job);
  return {
    ...usage,
    firstMs,
    lastMs,
    cpuMs: usage.serverCpuSeconds * 1_000,
    peakMib,
    sent: traffic.sent,
    acked: traffic.acked,
    delivered: reader.delivered,
    lost: Math.max(0, traffic.sent - reader.delivered),
    repeated: Math.max(0, reader.delivered - traffic.sent),
    disordered: link!.disordered,
    unconfirmed: job.hasStats ? left - parameter(job, 'others') : 0,
  };
}
