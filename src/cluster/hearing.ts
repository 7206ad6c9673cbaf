import type { Clock } from '../options/clock.js';

/**
 * Whether all other nodes were heard without a gap since the last beat was answered. Who was not heard for a while may
 * have taken over meanwhile, and so may a node that has joined since; a process that was stopped heard nobody, whatever
 * it reads when it goes on. So a gap lasts until the next answered beat.
 */
export class Hearing {
  private state: 'unbroken' | 'broken' = 'broken';
  private checkedAt = -Infinity;
  private cancel: (() => void) | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly everyMs: number,
    /** The longest time between two checks. */
    private readonly gapMs: number,
    private readonly hearsAll: () => boolean,
  ) {}

  /** A beat was answered. */
  renew(): void {
    this.state = 'unbroken';
    this.checkedAt = this.clock.monotonic();
    if (!this.cancel) this.tick();
  }

  /** Checks it now. */
  isUnbroken(): boolean {
    const now = this.clock.monotonic();
    if (now - this.checkedAt > this.gapMs || !this.hearsAll()) this.state = 'broken';
    this.checkedAt = now;
    return this.state === 'unbroken';
  }

  stop(): void {
    this.cancel?.();
    this.cancel = null;
  }

  private tick(): void {
    this.cancel = this.clock.after(this.everyMs, () => {
      this.isUnbroken();
      this.tick();
    });
  }
}
