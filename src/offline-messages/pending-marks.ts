import type { ChatError } from '../protocol/chat-error.js';

/** Marks that may wait; while the store fails, what is asked for beyond that is forgotten. */
const MAX_WAITING = 10_000;
/** Marks of one statement. */
const MAX_BATCH = 1_000;

/** How far a user has come in the conversation with `peer`, as positions; null for a mark that is not asked for. */
export interface AskedMark {
  readonly user: string;
  readonly peer: string;
  readonly delivered: number | null;
  readonly read: number | null;
}

/** Who waits for a mark to be committed. */
interface Watcher {
  onCommitted(): void;
  onFailed(error: ChatError): void;
}

export interface PendingMark extends AskedMark {
  readonly watchers: readonly Watcher[];
}

/** The marks that are not committed yet, one for each side of a conversation. None of them goes back. */
export class PendingMarks {
  private waiting = new Map<string, PendingMark>();

  get size(): number {
    return this.waiting.size;
  }

  /** Adds a mark to what waits for the same side; returns false when too many wait. */
  add(mark: AskedMark, watchers: readonly Watcher[] = []): boolean {
    if (this.waiting.size >= MAX_WAITING && !this.waiting.has(keyOf(mark))) return false;
    this.put(mark, watchers);
    return true;
  }

  private put({ user, peer, delivered, read }: AskedMark, watchers: readonly Watcher[]): void {
    const key = keyOf({ user, peer });
    const before = this.waiting.get(key);
    this.waiting.set(key, {
      user,
      peer,
      delivered: later(before?.delivered ?? null, delivered),
      read: later(before?.read ?? null, read),
      watchers: before ? [...before.watchers, ...watchers] : watchers,
    });
  }

  /** Removes and returns the first marks, as many as one statement may have. */
  take(): PendingMark[] {
    const taken: PendingMark[] = [];
    for (const [key, mark] of this.waiting) {
      if (taken.length === MAX_BATCH) break;
      this.waiting.delete(key);
      taken.push(mark);
    }
    return taken;
  }

  /** Puts the marks of a failed commit back, among what was asked for meanwhile. */
  putBack(marks: readonly PendingMark[]): void {
    for (const mark of marks) this.put(mark, mark.watchers);
  }

  /** Tells everybody who waits. The marks are tried again all the same. */
  fail(error: ChatError): void {
    for (const [key, mark] of this.waiting) {
      this.waiting.set(key, { ...mark, watchers: [] });
      for (const watcher of mark.watchers) watcher.onFailed(error);
    }
  }
}

function keyOf({ user, peer }: Pick<AskedMark, 'user' | 'peer'>): string {
  return `${user}\n${peer}`;
}

function later(one: number | null, other: number | null): number | null {
  return one === null || (other !== null && other > one) ? other : one;
}
