import { Logger } from '@nestjs/common';
import type { ChatOptions } from '../options/chat.options.js';

/** Longest time between two sweeps, in milliseconds; with a short retention, a quarter of that. */
const SWEEP_MS = 60_000;
/** Longest time before the first sweep, in milliseconds: a machine without a clock has asked the network by then. */
const FIRST_SWEEP_MS = 600_000;
/**
 * A clock that was set by more than this, in milliseconds, is not trusted. By less, a message expires that much too
 * early or late.
 */
const JUMP_MS = 60_000;

/** The store, as the sweeps use it. */
export interface SweptStore {
  /** Deletes what was stored before that time, in milliseconds since 1970. */
  expire(before: number): Promise<void>;
  /** Returns the time before which nothing may expire, in milliseconds since 1970; it is in the past when all may. */
  sweepAfter(): Promise<number>;
  deferSweep(until: number): Promise<void>;
}

/**
 * Expires messages that waited for longer than `retentionMs`. Expiry cannot be undone, and the clock that says when a
 * message was stored may be set by people and networks. When it differs from the monotonic time of this process,
 * nothing expires for one more `retentionMs`, after which every message will have waited long enough.
 */
export class Retention {
  private readonly logger = new Logger('OfflineMessages');
  private cancel: (() => void) | null = null;
  private isStopped = false;
  private at: { readonly wall: number; readonly monotonic: number };
  /** A deferral that is not in the store yet. */
  private unsaved: number | null = null;

  constructor(
    private readonly store: SweptStore,
    private readonly options: Pick<ChatOptions, 'retentionMs' | 'clock'>,
  ) {
    this.at = this.read();
  }

  start(): void {
    this.at = this.read();
    this.schedule(FIRST_SWEEP_MS);
  }

  stop(): void {
    this.isStopped = true;
    this.cancel?.();
  }

  private schedule(longestMs = SWEEP_MS): void {
    const { retentionMs, clock } = this.options;
    if (retentionMs === null || this.isStopped) return;
    // The store logs its failures itself. The next sweep finds what this one has left.
    const next = () => this.schedule();
    this.cancel = clock.after(
      Math.min(longestMs, retentionMs / 4),
      () => void this.sweep(retentionMs).then(next, next),
    );
  }

  private async sweep(retentionMs: number): Promise<void> {
    const now = this.options.clock.now();
    const jumpMs = this.jump();
    if (Math.abs(jumpMs) > Math.min(JUMP_MS, retentionMs / 4)) this.defer(now + retentionMs, jumpMs);
    if (this.unsaved !== null) await this.store.deferSweep(this.unsaved);
    this.unsaved = null;
    const until = await this.store.sweepAfter();
    // A deferral from a time when the clock was ahead.
    if (until > now + retentionMs) await this.store.deferSweep(now + retentionMs);
    if (until <= now) await this.store.expire(now - retentionMs);
  }

  private defer(until: number, jumpMs: number): void {
    this.unsaved = until;
    this.logger.warn(
      `The clock was set ${jumpMs > 0 ? 'forward' : 'back'} by ${Math.round(Math.abs(jumpMs) / 1000)} s; no message expires for one retentionMs, as nobody knows how long each has waited.`,
    );
  }

  /** Returns by how much the clock was set since the last call, in milliseconds. */
  private jump(): number {
    const before = this.at;
    this.at = this.read();
    return this.at.wall - before.wall - (this.at.monotonic - before.monotonic);
  }

  private read() {
    const { clock } = this.options;
    return { wall: clock.now(), monotonic: clock.monotonic() };
  }
}
