import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Figures, Job } from '../generator/job.js';
import { isOurs, PEERS } from '../peers/peers.js';
import type { FilledDatabases } from './filled-database.js';
import { generate } from './generate.js';
import { MeasuredNodes } from './measured-nodes.js';
import { variantsOf, type Entrant, type Group } from './plan.js';
import type { Results, Row } from './results.js';

/** No message of these peers may be missing. */
const LOSSES = ['lost', 'repeated', 'unacknowledged', 'unconfirmed', 'disordered'] as const;

export interface RoundsContext {
  readonly folder: string;
  /** Where generator and peers are compiled. */
  readonly code: string;
  readonly databases: FilledDatabases;
  readonly profileFolder: string | undefined;
  onMeasured(row: Row, figures: Figures): void;
}

/**
 * Measures a group in rounds: all entrants in turn, then in the opposite order, so that a drift of the machine meets
 * all of them.
 */
export async function measure(group: Group, rounds: number, results: Results, around: RoundsContext): Promise<void> {
  const rowsOf = new Map(
    group.entrants.map((entrant) => [
      entrant,
      variantsOf(group, entrant).map(({ key, scenario, title }): Row => {
        return { letter: group.letter, variant: key, scenario, title, ...entrant, rounds: [] };
      }),
    ]),
  );
  results.rows.push(...[...rowsOf.values()].flat());
  for (let round = 0; round < rounds; round += 1) {
    const order = [...rowsOf];
    for (const [entrant, rows] of round % 2 === 0 ? order : order.reverse()) {
      await enter(group, entrant, rows, results, around);
    }
  }
}

async function enter(
  group: Group,
  entrant: Entrant,
  rows: Row[],
  results: Results,
  around: RoundsContext,
): Promise<void> {
  const folder = await mkdtemp(join(around.folder, 'round-'));
  const measured: (Figures | null)[] = rows.map(() => null);
  let server: MeasuredNodes | null = null;
  try {
    await around.databases.putInto(folder, entrant.rows);
    server = await MeasuredNodes.start(entrant, folder, around.code, around.profileFolder, group.isOnPostgres);
    const first = group.warmUp ? 1 : 0;
    await generate(around.code, jobsOf(group, entrant, server), (figures, job) => {
      const index = job - first;
      if (index < 0) return;
      measured[index] = figures;
      note(rows[index]!, figures, results);
      around.onMeasured(rows[index]!, figures);
    });
  } catch (error) {
    const text = `${group.letter}, ${entrant.peer}: ${(error as Error).message}`;
    results.faults.push({
      isOurs: isOurs(entrant.peer),
      text: server ? `${text}; the server wrote ${server.lastWords.slice(-500)}` : text,
    });
  } finally {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  }
  rows.forEach((row, index) => row.rounds.push(measured[index]!));
}

function jobsOf(group: Group, entrant: Entrant, { job }: MeasuredNodes): Job[] {
  const { language } = PEERS[entrant.peer];
  const warmUp = group.warmUp ? [group.warmUp] : [];
  return [...warmUp, ...variantsOf(group, entrant)].map(({ scenario, parameters }) => ({
    scenario,
    language,
    ...job,
    hasStats: isOurs(entrant.peer),
    parameters: { ...parameters, others: entrant.rows },
  }));
}

/** A benchmark that loses messages proves nothing, so Holdfast may not lose any. */
function note(row: Row, figures: Figures, results: Results): void {
  const missing = LOSSES.filter((name) => (figures[name] ?? 0) !== 0).map((name) => `${figures[name]} ${name}`);
  if (missing.length === 0) return;
  results.faults.push({
    isOurs: isOurs(row.peer),
    text: `${row.variant}, ${row.peer}: ${missing.join(', ')} of ${figures['sent']} sent`,
  });
}
