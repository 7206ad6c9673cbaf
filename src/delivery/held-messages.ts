import type { HeldMessage } from './held-message.js';

/** Messages that are no longer held may stay among the others up to this many. */
const SLACK = 8;

/** Tells a message from all others of its mailbox: its sender's id for it. No user name holds a line feed. */
export function messageKeyOf({ from, id }: { readonly from: string; readonly id: string }): string {
  return `${from}\n${id}`;
}

/** The messages of one mailbox that are in memory, in the order of their positions. */
export class HeldMessages implements Iterable<HeldMessage> {
  private messages: HeldMessage[] = [];
  /** How many of `messages` are no longer held. */
  private left = 0;

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
   * Gives every message above `after` that is not stored a new position, in their order. Returns a function from an
   * earlier position to the one up to which it reaches now.
   */
  renumber(after: number, next: () => number): (position: number) => number {
    const moved: { readonly from: number; readonly to: number }[] = [];
    this.keepHeld();
    for (const held of this.messages) {
      if ((held.state !== 'memory' && held.state !== 'storing') || held.position <= after) continue;
      moved.push({ from: held.position, to: (held.position = next()) });
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

  at(position: number): HeldMessage | undefined {
    const held = this.firstAfter(position - 1);
    return held?.position === position ? held : undefined;
  }

  /** One of them has left memory: it is released or its life is over. `trim` takes it out. */
  onLeft(): void {
    this.left += 1;
  }

  /** Takes out those that are no longer held: the ones in front always, the others when they are many. */
  trim(): void {
    let front = 0;
    while (this.messages[front]?.isHeld === false) front += 1;
    if (front > 0) {
      this.messages.splice(0, front);
      this.left -= front;
    }
    if (this.left > SLACK && this.left * 2 > this.messages.length) {
      this.keepHeld();
    }
  }

  private keepHeld(): void {
    this.messages = this.messages.filter((held) => held.isHeld);
    this.left = 0;
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
