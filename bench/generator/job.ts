import type { LanguageName } from '../wire/languages.js';

export type ScenarioName = 'relay' | 'broadcast' | 'idle' | 'store' | 'drain' | 'reconnect';

/** One of the things that the generator is told to do, as a list in JSON, its only argument. */
export interface Job {
  readonly scenario: ScenarioName;
  readonly language: LanguageName;
  readonly port: number;
  /** Of the server's process. */
  readonly pid: number;
  /** Its REST calls are asked whether all is accounted for. */
  readonly hasStats: boolean;
  readonly parameters: Readonly<Record<string, number>>;
}

/** What one round of a scenario came to, by name; the names carry their units. */
export type Figures = Record<string, number>;

/** Looks up a parameter that the scenario can't do without. */
export function parameter(job: Job, name: string): number {
  const value = job.parameters[name];
  if (value === undefined) throw new Error(`the scenario ${job.scenario} needs the parameter ${name}`);
  return value;
}
