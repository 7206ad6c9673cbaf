import type { Clock } from '../options/clock.js';

/**
 * Between two looks at the store, in milliseconds: whether the file is still there, and the store still ours. On
 * Postgres they also keep the session, and with it the lock, from lapsing.
 */
const CHECK_MS = 1_000;

/** Looks at the store again and again, one look after the other. */
export class StoreWatch {
  private isStopped = false;
  private cancel: (() => void) | null = null;

  /** What `look` rejects with is known to whoever looked. */
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
