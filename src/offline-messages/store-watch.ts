import type { Clock } from '../options/clock.js';

/**
 * Time between two checks of the store, in milliseconds: whether the file is still there, and whether this process
 * still owns the store. On Postgres they also keep the session alive, and with it the lock.
 */
const CHECK_MS = 1_000;

/** Checks the store again and again, one check after the other. */
export class StoreWatch {
  private isStopped = false;
  private cancel: (() => void) | null = null;

  /** `check` handles its own failures: a rejection is ignored here. */
  constructor(
    private readonly clock: Clock,
    private readonly check: () => Promise<void>,
  ) {}

  start(): void {
    if (this.isStopped) return;
    const next = () => this.start();
    this.cancel = this.clock.after(CHECK_MS, () => void this.check().then(next, next));
  }

  stop(): void {
    this.isStopped = true;
    this.cancel?.();
  }
}
