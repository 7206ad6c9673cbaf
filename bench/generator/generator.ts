import { broadcast } from '../scenarios/broadcast.js';
import { drain } from '../scenarios/drain.js';
import { idle } from '../scenarios/idle.js';
import { reconnect } from '../scenarios/reconnect.js';
import { relay } from '../scenarios/relay.js';
import { store } from '../scenarios/store.js';
import { Flow } from './traffic.js';
import type { Figures, Job, ScenarioName } from './job.js';

const SCENARIOS: Readonly<Record<ScenarioName, (job: Job) => Promise<Figures>>> = {
  relay,
  broadcast,
  idle,
  store,
  drain,
  reconnect,
};

const NUMBERS_PER_JOB = 10_000_000;

// One line of JSON for each job, in their order.
for (const job of JSON.parse(process.argv[2]!) as Job[]) {
  const figures = await SCENARIOS[job.scenario](job);
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  Flow.numberedFrom += NUMBERS_PER_JOB;
}
