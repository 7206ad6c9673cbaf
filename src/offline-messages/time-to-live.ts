import type { Clock } from '../options/clock.js';
import type { Overdue } from './message-extras.table.js';

/** The shortest time between two looks for rows whose time is over, in milliseconds. */
const SHORTEST_MS = 1_000;
/** The longest one: the clock may be set meanwhile. */
const LONGEST_MS = 3_600_000;
/** Rows of one read. */
const READ_AT_ONCE = 500;

/** The rows that expire, as the store reads them. */
export interface ExpiringRows {
  overdue(now: number, after: { expiresAt: number; position: number }, limit: number): Promise<Overdue[]>;
  nextExpiry(now: number): Promise<number | null>;
}

/**
 * Finds the rows whose `ttl` is over, within a second. There is a timer only while such rows wait. A reader leaves out
 * what has expired, whether or not it was found. The end is a time of the wall clock: when that is set, rows expire
 * earlier or later.
 */
export class TimeToLive {
  private cancel: (() => void) | null = null;
  /** When the timer calls; null when there is none. */
  private nextAt: number | null = null;
  private isStopped = false;

  constructor(
    private readonly rows: ExpiringRows,
    private readonly clock: Clock,
    private readonly onOverdue: (row: Overdue) => void,
  ) {}

  /** A row waits that expires at this time, in milliseconds since 1970. */
  expect(expiresAt: number): void {
    const now = this.clock.now();
    const at = now + Math.min(LONGEST_MS, Math.max(SHORTEST_MS, expiresAt + 1 - now));
    if (this.isStopped || (this.nextAt !== null && this.nextAt <= at)) return;
    this.cancel?.();
    this.nextAt = at;
    this.cancel = this.clock.after(at - now, () => void this.look());
  }

  stop(): void {
    this.isStopped = true;
    this.cancel?.();
  }

  private async look(): Promise<void> {
    this.nextAt = null;
    const now = this.clock.now();
    try {
      for (let after = { expiresAt: 0, position: 0 }; ;) {
        const rows = await this.rows.overdue(now, after, READ_AT_ONCE);
        for (const row of rows) this.onOverdue(row);
        if (rows.length < READ_AT_ONCE) break;
        after = rows.at(-1)!;
      }
      const next = await this.rows.nextExpiry(now);
      if (next !== null) this.expect(next);
    } catch {
      this.expect(now + LONGEST_MS / 60); // The store logs its failures itself, and keeps the rows.
    }
  }
}
