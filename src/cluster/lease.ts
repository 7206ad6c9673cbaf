import type { Clock } from '../options/clock.js';

/** A beat whose answer took longer, in milliseconds, says too little about the clock of Postgres. */
const MAX_ROUND_TRIP_MS = 100;
/** Beats may be this many times their period apart before the row of them counts as broken. */
const TOLERATED_BEATS = 2.5;

/**
 * What the answers to a node's own beats tell: until when no other node can have taken over, whether they arrive without
 * a gap, and the time of Postgres. Only the monotonic clock is used; it goes on while a process is stopped.
 */
export class Lease {
  private until = -Infinity;
  private lastAnswer = -Infinity;
  private steadySince = -Infinity;
  /** From the monotonic clock to that of Postgres; null before the first beat. */
  private offset: number | null = null;
  private isOffsetGood = false;

  constructor(
    private readonly clock: Clock,
    private readonly beatMs: number,
    private readonly leaseMs: number,
  ) {}

  /** A beat that was sent at `sentAt` was answered with the time of Postgres. The lease counts from before the beat. */
  renew(sentAt: number, databaseNow: number): void {
    const now = this.clock.monotonic();
    if (now - this.lastAnswer > TOLERATED_BEATS * this.beatMs) this.steadySince = now;
    this.lastAnswer = now;
    this.until = sentAt + this.leaseMs;
    const isGood = now - sentAt <= MAX_ROUND_TRIP_MS;
    if (!isGood && this.isOffsetGood) return;
    this.isOffsetGood = isGood;
    this.offset = databaseNow - (sentAt + now) / 2;
  }

  /**
   * The session has ended. Its lock is free, and with that another node may take over without waiting for the lease.
   */
  end(): void {
    this.until = -Infinity;
    this.lastAnswer = -Infinity;
  }

  get isFresh(): boolean {
    return this.clock.monotonic() < this.until;
  }

  /** For how long all beats were answered in time, in milliseconds; 0 after a gap. */
  get steadyFor(): number {
    const now = this.clock.monotonic();
    return now - this.lastAnswer > TOLERATED_BEATS * this.beatMs ? 0 : now - this.steadySince;
  }

  /** The time of Postgres in milliseconds since 1970; that of this machine before the first beat. */
  databaseNow(): number {
    return this.offset === null ? this.clock.now() : this.clock.monotonic() + this.offset;
  }
}
