import type { LanguageName } from '../wire/languages.js';

export type ScenarioName = 'relay' | 'open' | 'broadcast' | 'idle' | 'store' | 'drain' | 'reconnect' | 'cluster';

/** One of the things that the generator is told to do, as a list in JSON, its only argument. */
export interface Job {
  readonly scenario: ScenarioName;
  readonly language: LanguageName;
  /** Of the server, or of the first of its processes. */
  readonly port: number;
  readonly pid: number;
  /** All processes of the server, which are one chat. */
  readonly servers: readonly { readonly port: number; readonly pid: number }[];
  /** The process of the engine that carries messages between them, such as Redis; null without one. */
  readonly busPid: number | null;
  /** For each slot, the index of the process that is the home of its users; null where users have no home. */
  readonly homes: readonly number[] | null;
  /** The REST API, which says whether every message is accounted for. */
  readonly hasStats: boolean;
  readonly parameters: Readonly<Record<string, number>>;
}

/** The figures of one round of a scenario, by name. The names carry their units. */
export type Figures = Record<string, number>;

/** Returns a parameter that the scenario requires. */
export function parameter(job: Job, name: string): number {
  const value = job.parameters[name];
  if (value === undefined) throw new Error(`the scenario ${job.scenario} needs the parameter ${name}`);
  return value;
}
