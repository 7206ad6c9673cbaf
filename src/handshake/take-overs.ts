import type { Clock } from '../options/clock.js';

/** Take-overs of one name that may come in `WITHIN_MS`. A client that loses its network again and again has fewer. */
const MAX_TAKE_OVERS = 5;
const WITHIN_MS = 10_000;
/** Names whose take-overs are counted. Of more, those that were taken over longest ago are removed. */
const MAX_NAMES = 10_000;

/**
 * Counts how often connections of one name take over from each other. Two clients with one name, each of which
 * reconnects when the other has taken over, would do so for ever, and move the mailbox each time.
 */
export class TakeOvers {
  /** The times of the take-overs, in milliseconds since 1970. The name that was taken over last stands last. */
  private readonly byUser = new Map<string, readonly number[]>();

  constructor(private readonly clock: Clock) {}

  /** Counts one and returns null; or returns for how many milliseconds there has to be none. */
  add(user: string): number | null {
    const now = this.clock.now();
    const isRecent = (at: number) => at <= now && now - at < WITHIN_MS;
    const recent = (this.byUser.get(user) ?? []).filter(isRecent);
    if (recent.length >= MAX_TAKE_OVERS) return recent[0]! + WITHIN_MS - now;
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
