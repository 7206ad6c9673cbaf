import type { Clock, Moment } from '../options/clock.js';

/** By how much the clocks of two machines may run apart: Linux slews each by up to 500 ppm to set it right. */
const DRIFT = 0.001;
/** The error of the time before the first beat, in milliseconds. */
const UNKNOWN_MS = Number.MAX_SAFE_INTEGER;
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
  /** From the monotonic clock to that of Postgres, wrong by up to `errorMs` when it was measured. */
  private offset: { readonly ms: number; readonly errorMs: number; readonly measuredAt: number } | null = null;

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
    this.measure(databaseNow - (sentAt + now) / 2, (now - sentAt) / 2);
  }

  /** Postgres has looked at its clock at some time between a beat and its answer. */
  private measure(ms: number, errorMs: number): void {
    // When the two can't both be true, a clock was set meanwhile.
    const wasSet = this.offset !== null && Math.abs(ms - this.offset.ms) > errorMs + this.errorMs;
    if (wasSet || errorMs <= this.errorMs) this.offset = { ms, errorMs, measuredAt: this.clock.monotonic() };
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

  /** The time of Postgres; that of this machine before the first beat. */
  databaseNow(): Moment {
    const { errorMs, offset } = this;
    return { at: offset === null ? this.clock.now() : this.clock.monotonic() + offset.ms, errorMs };
  }

  private get errorMs(): number {
    if (this.offset === null) return UNKNOWN_MS;
    return this.offset.errorMs + (this.clock.monotonic() - this.offset.measuredAt) * DRIFT;
  }
}
