import { setTimeout as delay } from 'node:timers/promises';
import { connectCrowd, names } from '../generator/crowd.js';
import { parameter, type Figures, type Job } from '../generator/job.js';
import { measured } from '../generator/measured.js';
import { Flow, Traffic } from '../generator/traffic.js';
import { contentOf } from '../wire/frame-template.js';
import { LANGUAGES } from '../wire/languages.js';

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
  return measured(job, traffic, links, () => delay(parameter(job, 'seconds') * 1_000));
}
