import type { LanguageName } from '../wire/languages.js';

export type ScenarioName = 'relay' | 'open' | 'broadcast' | 'idle' | 'store' | 'drain' | 'reconnect';

/** One of the things that the generator is told to do, as a list in JSON, its only argument. */
export interface Job {
  readonly scenario: ScenarioName;
  readonly language: LanguageName;
  readonly port: number;
  /** Of the server's process. */
  readonly pid: number;
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
