import type { Clock } from '../options/clock.js';

/** So many take-overs of one name there may be in so many milliseconds. A client that loses its network again and again has fewer. */
const MOST = 5;
const WITHIN_MS = 10_000;
/** Of so many names they are counted; of more, those that were taken over longest ago are forgotten. */
const MAX_NAMES = 10_000;

/**
 * How often connections take over from each other: two clients with one name, each of which comes back when the other has
 * taken over, would do that for ever, and move the mailbox each time.
 */
export class TakeOvers {
  /** When they were, in milliseconds since 1970; the name that was taken over last is the last. */
  private readonly byUser = new Map<string, readonly number[]>();

  constructor(private readonly clock: Clock) {}

  /** Notes one; answers null, or else how many milliseconds there has to be none. */
  note(user: string): number | null {
    const now = this.clock.now();
    const isRecent = (at: number) => at <= now && now - at < WITHIN_MS;
    const recent = (this.byUser.get(user) ?? []).filter(isRecent);
    if (recent.length >= MOST) return recent[0]! + WITHIN_MS - now;
    this.byUser.delete(user);
    this.byUser.set(user, [...recent, now]);
    for (const [name, times] of this.byUser) {
      if (isRecent(times.at(-1)!) && this.byUser.size <= MAX_NAMES) break;
      this.byUser.delete(name);
    }
    return null;
  }

  /** How many names are remembered. */
  get size(): number {
    return this.byUser.size;
  }
}
