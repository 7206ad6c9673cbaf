import { cpus } from 'node:os';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Figures, ScenarioName } from '../generator/job.js';
import type { PeerName } from '../peers/peers.js';
import { CORES } from './cores.js';
import type { Scale } from './plan.js';

/** One variant on one entrant: its figures in each round; null where a round failed. */
export interface Row {
  readonly letter: string;
  readonly variant: string;
  readonly scenario: ScenarioName;
  readonly title: string;
  readonly peer: PeerName;
  /** Messages of others in the table. */
  readonly rows: number;
  /** How many processes are one chat, where that is measured. */
  readonly processes?: number;
  readonly rounds: (Figures | null)[];
}

/** The results of a run. */
export interface Results {
  readonly measuredAt: string;
  readonly node: string;
  readonly processor: string;
  readonly cores: number;
  /** Server and generator had a core each. */
  readonly isPinned: boolean;
  readonly scale: Scale;
  minutes: number;
  readonly rows: Row[];
  /** What was lost or went wrong, Holdfast's faults first. A run with a fault of Holdfast proves nothing. */
  readonly faults: { readonly isOurs: boolean; readonly text: string }[];
}

export function emptyResults(scale: Scale): Results {
  return {
    measuredAt: new Date().toISOString(),
    node: process.version,
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    isPinned: CORES !== null,
    scale,
    minutes: 0,
    rows: [],
    faults: [],
  };
}

/** Writes them as JSON, with as many digits as mean something. */
export async function writeResults(path: string, results: Results): Promise<void> {
  const short = (_: string, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify(results, short)}\n`);
}

export async function readResults(path: string): Promise<Results> {
  return JSON.parse(await readFile(path, 'utf8')) as Results;
}
