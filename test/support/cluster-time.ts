import { DataSource } from 'typeorm';
import type { Clock } from '../../src/options/clock.js';

/** From the clock of the nodes to that of Postgres, in milliseconds: nobody may compare the two. */
const POSTGRES_IS_AHEAD_MS = 3_600_000;
/** Longest step while nothing is due, in milliseconds. */
const STEP_MS = 1_000;

/** SQL that gives a database a clock of its own: sessions look for `clock_timestamp()` in `public` first. */
export const OWN_CLOCK = `
  CREATE TABLE world_time (now timestamptz NOT NULL);
  INSERT INTO world_time VALUES (pg_catalog.clock_timestamp());
  CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT now FROM public.world_time';
  DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$`;

/**
 * The time of a test, which Postgres has as well. It stands still while anybody works, however slow the machine is, and
 * goes to the next moment at which something is due when it is told to.
 */
export class WorldTime implements Clock {
  private readonly epoch = Date.parse('2026-11-23T09:30:00.000Z');
  private elapsed = 0;
  private readonly alarms = new Set<{ readonly at: number; readonly callback: () => void }>();

  private constructor(private readonly database: DataSource) {}

  /** `url` is the address of a database with a clock of its own. */
  static async start(url: string): Promise<WorldTime> {
    // Nothing of this world has to outlive a crash of the machine.
    const extra = { options: '-c synchronous_commit=off' };
    const time = new WorldTime(await new DataSource({ type: 'postgres', url, poolSize: 1, extra }).initialize());
    await time.tell(0);
    return time;
  }

  now(): number {
    return this.epoch + this.elapsed;
  }

  monotonic(): number {
    return this.elapsed;
  }

  after(ms: number, callback: () => void): () => void {
    const alarm = { at: this.elapsed + ms, callback };
    this.alarms.add(alarm);
    return () => this.alarms.delete(alarm);
  }

  /** Goes to the next moment at which something is due, and does that. */
  async step(): Promise<void> {
    const next = Math.min(this.elapsed + STEP_MS, ...[...this.alarms].map(({ at }) => at));
    if (next > this.elapsed) {
      // Postgres is told first, and not while it is away: nobody can ask it then.
      await this.tell(next).catch(() => undefined);
      this.elapsed = next;
    }
    const due = [...this.alarms].filter(({ at }) => at <= this.elapsed).sort((one, other) => one.at - other.at);
    for (const alarm of due) if (this.alarms.delete(alarm)) alarm.callback();
  }

  /** Runs a statement beside the nodes. */
  query<Row>(sql: string): Promise<Row[]> {
    return this.database.query<Row[]>(sql);
  }

  close(): Promise<void> {
    return this.database.destroy();
  }

  private tell(elapsed: number): Promise<unknown> {
    const seconds = (this.epoch + POSTGRES_IS_AHEAD_MS + elapsed) / 1_000;
    return this.query(`UPDATE world_time SET now = to_timestamp(${seconds})`);
  }
}
