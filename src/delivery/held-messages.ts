import type { HeldMessage } from './held-message.js';
import type { StoredKey } from './mailbox-store.js';

/** Messages that are no longer held may stay among the others up to this many. */
const SLACK = 8;

/**
 * Identifies a message within its mailbox, by its sender and the sender's id for it. User names contain no line feed.
 */
export function messageKeyOf({ from, id }: { readonly from: string; readonly id: string }): string {
  return `${from}\n${id}`;
}

/** The messages of one mailbox that are in memory, in the order of their positions. */
export class HeldMessages implements Iterable<HeldMessage> {
  private messages: HeldMessage[] = [];
  /** How many of `messages` are no longer held. */
  private notHeld = 0;

  get size(): number {
    return this.messages.length;
  }

  /** Returns whether all of them together are within these limits. */
  fit(count: number, bytes: number): boolean {
    return this.messages.length <= count && this.messages.reduce((sum, held) => sum + held.bytes, 0) <= bytes;
  }

  /** All of them, and perhaps a few that are no longer held. */
  [Symbol.iterator](): Iterator<HeldMessage> {
    return this.messages[Symbol.iterator]();
  }

  /** Adds a message behind all others. */
  push(held: HeldMessage): void {
    this.messages.push(held);
  }

  /** Adds a message at its position, unless it is there already. */
  insert(held: HeldMessage): void {
    const index = this.indexAfter(held.position - 1);
    const present = this.messages[index];
    if (present?.position !== held.position || !present.isHeld) this.messages.splice(index, 0, held);
  }

  /** The first one with a higher position. */
  firstAfter(position: number): HeldMessage | undefined {
    let index = this.indexAfter(position);
    while (this.messages[index]?.isHeld === false) index += 1;
    return this.messages[index];
  }

  /**
   * Gives new positions, in order, to the messages above `after` that are not stored. Returns a function that maps an
   * earlier position to the one that stands for it now.
   */
  renumber(after: number, next: (held: HeldMessage) => number): (position: number) => number {
    const moved: { readonly from: number; readonly to: number }[] = [];
    this.removeAllNotHeld();
    for (const held of this.messages) {
      if ((held.state !== 'memory' && held.state !== 'storing') || held.position <= after) continue;
      moved.push({ from: held.position, to: (held.position = next(held)) });
    }
    // Stored ones keep their positions, and may stand among those that moved.
    this.messages.sort((one, other) => one.position - other.position);
    return (position) => moved.findLast(({ from }) => from <= position)?.to ?? position;
  }

  /** Those that may still be refused, by `messageKeyOf`. */
  undecided(): Map<string, HeldMessage> {
    const undecided = new Map<string, HeldMessage>();
    for (const held of this.messages) if (held.isHeld && !held.isAccepted) undecided.set(messageKeyOf(held), held);
    return undecided;
  }

  /** Whether the next message of a reader is written now, waits for a commit, or has expired and is left out. */
  turnOf(next: HeldMessage, context: { readonly persistFirst: boolean; now(): number }): 'write' | 'wait' | 'skip' {
    if (context.persistFirst && next.state !== 'stored' && !next.isLiveOnly) return 'wait';
    if (next.message.extras === undefined) return 'write';
    if (next.hasExpired(context)) return 'skip';
    return next.topic !== undefined && next.inFlight === 0 && this.isBeingReplaced(next) ? 'wait' : 'write';
  }

  /** Whether a newer one of its sender and topic is on its way to the disk, where it replaces this one. */
  private isBeingReplaced({ position, from, topic }: HeldMessage): boolean {
    for (let index = this.indexAfter(position); index < this.messages.length; index += 1) {
      const newer = this.messages[index]!;
      if (newer.state === 'storing' && !newer.wasRelayed && newer.topic === topic && newer.from === from) return true;
    }
    return false;
  }

  /** The one that this row holds. */
  of({ position, from, id }: StoredKey): HeldMessage | undefined {
    const held = this.firstAfter(position - 1);
    return held?.position === position && held.id === id && held.from === from ? held : undefined;
  }

  /** Notes that one of them is no longer held: it is released, or its life is over. */
  onNotHeld(): void {
    this.notHeld += 1;
  }

  /** Removes those that are no longer held: those at the front always, the others when they are many. */
  removeNotHeld(): void {
    let front = 0;
    while (this.messages[front]?.isHeld === false) front += 1;
    if (front > 0) {
      this.messages.splice(0, front);
      this.notHeld -= front;
    }
    if (this.notHeld > SLACK && this.notHeld * 2 > this.messages.length) {
      this.removeAllNotHeld();
    }
  }

  private removeAllNotHeld(): void {
    this.messages = this.messages.filter((held) => held.isHeld);
    this.notHeld = 0;
  }

  private indexAfter(position: number): number {
    let low = 0;
    let high = this.messages.length;
    // The usual case by far: a live connection has got everything but the newest.
    if (high > 0 && this.messages[high - 1]!.position <= position) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.messages[middle]!.position <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
