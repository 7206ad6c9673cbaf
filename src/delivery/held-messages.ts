import type { HeldMessage } from './held-message.js';

/** Released messages that may stay among the others before all of them are thrown out. */
const SLACK = 8;

/** The messages of one mailbox that are in memory, in the order of their positions. */
export class HeldMessages implements Iterable<HeldMessage> {
  private messages: HeldMessage[] = [];
  private released = 0;

  get size(): number {
    return this.messages.length;
  }

  /** Says whether all of them together are no more than this. */
  fit(count: number, bytes: number): boolean {
    return this.messages.length <= count && this.messages.reduce((sum, held) => sum + held.bytes, 0) <= bytes;
  }

  /** All of them, and perhaps a few that were released. */
  [Symbol.iterator](): Iterator<HeldMessage> {
    return this.messages[Symbol.iterator]();
  }

  /** Adds a message behind all others. */
  push(held: HeldMessage): void {
    this.messages.push(held);
  }

  /** Adds a message in its place, unless it is there already. */
  insert(held: HeldMessage): void {
    const index = this.indexAfter(held.position - 1);
    const present = this.messages[index];
    if (present?.position !== held.position || present.released) this.messages.splice(index, 0, held);
  }

  /** The first one with a position above this one. */
  firstAfter(position: number): HeldMessage | undefined {
    let index = this.indexAfter(position);
    while (this.messages[index]?.released) index += 1;
    return this.messages[index];
  }

  /**
   * Gives every message behind `after` that is not in the table a new position, in their order; answers a function that says
   * up to where an earlier position reaches now.
   */
  renumber(after: number, next: () => number): (position: number) => number {
    const moved: { readonly from: number; readonly to: number }[] = [];
    for (const held of this.messages) {
      if (held.disk === 'stored' || held.released || held.position <= after) continue;
      moved.push({ from: held.position, to: (held.position = next()) });
    }
    return (position) => moved.findLast(({ from }) => from <= position)?.to ?? position;
  }

  at(position: number): HeldMessage | undefined {
    const held = this.firstAfter(position - 1);
    return held?.position === position ? held : undefined;
  }

  /** Marks a message as not held any more; `trim` throws it out. Answers false when it was marked before. */
  release(held: HeldMessage): boolean {
    if (held.released) return false;
    held.released = true;
    this.released += 1;
    return true;
  }

  /** Throws the released ones out: those at the front, and all of them when they are many. */
  trim(): void {
    let front = 0;
    while (this.messages[front]?.released) front += 1;
    if (front > 0) {
      this.messages.splice(0, front);
      this.released -= front;
    }
    if (this.released > SLACK && this.released * 2 > this.messages.length) {
      this.messages = this.messages.filter((held) => !held.released);
      this.released = 0;
    }
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
