import { broadcast } from '../scenarios/broadcast.js';
import { cluster } from '../scenarios/cluster.js';
import { drain } from '../scenarios/drain.js';
import { idle } from '../scenarios/idle.js';
import { open } from '../scenarios/open.js';
import { reconnect } from '../scenarios/reconnect.js';
import { relay } from '../scenarios/relay.js';
import { store } from '../scenarios/store.js';
import { NUMBERS } from '../wire/frame-template.js';
import { Flow } from './traffic.js';
import type { Figures, Job, ScenarioName } from './job.js';

const SCENARIOS: Readonly<Record<ScenarioName, (job: Job) => Promise<Figures>>> = {
  relay,
  open,
  broadcast,
  idle,
  store,
  drain,
  reconnect,
  cluster,
};

// One line of JSON for each job, in their order.
const jobs = JSON.parse(process.argv[2]!) as Job[];
for (const job of jobs) {
  const figures = await SCENARIOS[job.scenario](job);
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  Flow.numberedFrom += Math.floor(NUMBERS / jobs.length);
}
