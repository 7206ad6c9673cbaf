import type { Clock } from '../options/clock.js';

/**
 * How many take-overs one name may have within `WITHIN_MS`. A client that loses its network again and again has fewer.
 */
const MAX_TAKE_OVERS = 5;
const WITHIN_MS = 10_000;
/** How many names are counted. Above that, those that were taken over longest ago are removed. */
const MAX_NAMES = 10_000;

/**
 * Counts how often connections of one name replace each other. Two clients with the same name, each of which reconnects
 * when the other has replaced it, would go on forever, and move the mailbox each time.
 */
export class TakeOvers {
  /** The times of the take-overs, in milliseconds since 1970. The name that was taken over last stands last. */
  private readonly byUser = new Map<string, readonly number[]>();

  constructor(private readonly clock: Clock) {}

  /**
   * Counts one take-over and returns null. If there were too many, returns the milliseconds until the next one is
   * allowed.
   */
  add(user: string): number | null {
    const waitMs = this.waitMs(user);
    if (waitMs !== null) return waitMs;
    const now = this.clock.now();
    const recent = this.recentOf(user, now);
    this.byUser.delete(user);
    this.byUser.set(user, [...recent, now]);
    for (const [name, times] of this.byUser) {
      if (isRecent(times.at(-1)!, now) && this.byUser.size <= MAX_NAMES) break;
      this.byUser.delete(name);
    }
    return null;
  }

  /** Returns the milliseconds until the next take-over of this name is allowed; null if it is now. */
  waitMs(user: string): number | null {
    const now = this.clock.now();
    const recent = this.recentOf(user, now);
    return recent.length >= MAX_TAKE_OVERS ? recent[0]! + WITHIN_MS - now : null;
  }

  /** How many names are remembered. */
  get size(): number {
    return this.byUser.size;
  }

  private recentOf(user: string, now: number): readonly number[] {
    return (this.byUser.get(user) ?? []).filter((at) => isRecent(at, now));
  }
}

function isRecent(at: number, now: number): boolean {
  return at <= now && now - at < WITHIN_MS;
}
