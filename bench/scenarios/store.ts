import { setTimeout as delay } from 'node:timers/promises';
import { connectCrowd, dropCrowd, names } from '../generator/crowd.js';
import { parameter, type Figures, type Job } from '../generator/job.js';
import { Meter } from '../generator/meter.js';
import { eventLoopLatenessMs, ourStats, pendingOnceQuiet } from '../generator/our-stats.js';
import { Flow, Traffic } from '../generator/traffic.js';
import { contentOf } from '../wire/frame-template.js';
import { LANGUAGES } from '../wire/languages.js';

const SETTLE_MS = 30_000;

/**
 * D: `senders` write to `recipients` who are away, `window` outstanding for each. A message counts when it was
 * acknowledged.
 */
export async function store(job: Job): Promise<Figures> {
  const language = LANGUAGES[job.language];
  const traffic = new Traffic({ next: 'ack', awaits: 'acks' });
  const recipients = names('o', parameter(job, 'recipients'));
  // An MQTT broker keeps messages only for clients that were connected before.
  if (job.language === 'mqtt') await dropCrowd(await connectCrowd(language, job.port, recipients, traffic), job);
  const content = contentOf(parameter(job, 'bytes'));
  const templates = recipients.map((recipient) => language.direct(recipient, content));
  const links = await connectCrowd(language, job.port, names('s', parameter(job, 'senders')), traffic);
  const pendingBefore = job.hasStats ? (await ourStats(job.port)).messages.pending : 0;
  const share = Math.ceil(templates.length / links.length);
  traffic.start(
    links.map(
      (link, index) => new Flow(link, [...templates.slice(index * share), ...templates.slice(0, index * share)]),
    ),
    parameter(job, 'window'),
  );
  await delay(parameter(job, 'warmSeconds') * 1_000);
  traffic.check();
  if (job.hasStats) await eventLoopLatenessMs(job.port); // Resets its percentiles.
  traffic.ackTimes.clear();
  const before = traffic.acked;
  const meter = new Meter(job);
  await delay(parameter(job, 'seconds') * 1_000);
  const usage = meter.read();
  const messages = traffic.acked - before;
  const [ackP50Ms, ackP99Ms] = [traffic.ackTimes.quantileMs(0.5), traffic.ackTimes.quantileMs(0.99)];
  const lateness: Figures = job.hasStats ? { loopLateP99Ms: await eventLoopLatenessMs(job.port) } : {};
  await traffic.settle(SETTLE_MS);
  traffic.check();
  const stored = job.hasStats
    ? (await pendingOnceQuiet(job.port, pendingBefore + traffic.acked, SETTLE_MS)) - pendingBefore
    : traffic.acked;
  await dropCrowd(links, job);
  return {
    ...usage,
    ...lateness,
    ackP50Ms,
    ackP99Ms,
    perSecond: messages / usage.seconds,
    cpuPerMillion: (usage.serverCpuSeconds / messages) * 1e6,
    sent: traffic.sent,
    acked: traffic.acked,
    unacknowledged: traffic.sent - traffic.acked,
    lost: traffic.acked - stored,
  };
}
