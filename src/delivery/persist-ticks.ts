import type { Clock } from '../options/clock.js';

/** Ticks in one `persistAfterMs`, after which an unconfirmed message is stored. */
const TICKS_TO_PERSIST = 4;

/** The part of a mailbox that the ticks need. */
interface Unstored {
  /** Stores what came at or before that tick; returns whether anything younger is in memory only. */
  persist(upToTick: number): boolean;
}

/**
 * Has mailboxes store what is in memory only and was not confirmed within `persistAfterMs`. One timer serves all of
 * them.
 */
export class PersistTicks {
  /** Ticks so far. */
  count = 0;
  private readonly unstored = new Set<Unstored>();
  private cancel: (() => void) | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly persistAfterMs: number,
  ) {}

  /** Adds a mailbox that has messages which are in memory only. */
  add(mailbox: Unstored): void {
    this.unstored.add(mailbox);
    this.cancel ??= this.schedule();
  }

  remove(mailbox: Unstored): void {
    this.unstored.delete(mailbox);
  }

  stop(): void {
    this.cancel?.();
  }

  private schedule(): () => void {
    return this.clock.after(this.persistAfterMs / TICKS_TO_PERSIST, () => {
      this.count += 1;
      for (const mailbox of this.unstored) {
        // The first tick may come at once, so a message waits one tick more than `persistAfterMs` has.
        if (!mailbox.persist(this.count - TICKS_TO_PERSIST - 1)) this.unstored.delete(mailbox);
      }
      this.cancel = this.unstored.size > 0 ? this.schedule() : null;
    });
  }
}
