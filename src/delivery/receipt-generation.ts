import { positionText } from '../protocol/position.js';
import type { Receipt } from '../protocol/message.js';
import type { MessageIdentity } from './pending-receipt.js';

/** Where the search for a hash begins: more places than messages, so that most have none or one. A power of two. */
const PLACES = 1 << 15;
const LINE_FEED = 10;

/**
 * The receipts of up to `capacity` messages, as numbers in a few arrays, which the garbage collector does not look into.
 * As objects they outlived its nursery, so that it copied each of them twice, and a message took up to half as long
 * again in this room.
 */
export class ReceiptGeneration {
  /** Receipts are numbered from 1; 0 is none. */
  private size = 0;
  /** The newest receipt of each place, and for each receipt the one before it in the same place. */
  private readonly newest = new Uint16Array(PLACES);
  private readonly previous: Uint16Array;
  private readonly hashes: Int32Array;
  private readonly sentAt: Float64Array;
  private readonly wasStored: Uint8Array;
  /** Where they stand in the record, 0 for what is not there; null as long as nothing is. */
  private positions: Float64Array | null = null;
  /** Where the identity of each receipt ends in `letters`; it begins where the one before ends. */
  private readonly ends: Uint32Array;
  private letters: Uint16Array;

  constructor(private readonly capacity: number) {
    this.previous = new Uint16Array(capacity + 1);
    this.hashes = new Int32Array(capacity + 1);
    this.sentAt = new Float64Array(capacity + 1);
    this.wasStored = new Uint8Array(capacity + 1);
    this.ends = new Uint32Array(capacity + 1);
    this.letters = new Uint16Array(capacity * 32);
  }

  get isFull(): boolean {
    return this.size === this.capacity;
  }

  clear(): void {
    this.size = 0;
    this.newest.fill(0);
  }

  find(message: MessageIdentity, hash: number): Receipt | undefined {
    let number = this.newest[hash & (PLACES - 1)]!;
    while (number > 0 && !(this.hashes[number] === hash && this.isOf(number, message))) number = this.previous[number]!;
    if (number === 0) return undefined;
    const receipt: Receipt = {
      id: message.id,
      status: this.wasStored[number] ? 'stored' : 'delivered',
      sentAt: this.sentAt[number]!,
    };
    const position = this.positions?.[number] ?? 0;
    return position === 0 ? receipt : { ...receipt, position: positionText(position) };
  }

  /** Adds a receipt that `find` does not find, unless it is full. */
  add(
    { id, from, to }: MessageIdentity,
    hash: number,
    status: 'delivered' | 'stored',
    sentAt: number,
    position?: number,
  ): void {
    const start = this.ends[this.size]!;
    this.makeRoom(start + id.length + from.length + to.length + 3);
    this.size += 1;
    this.ends[this.size] = this.write(this.write(this.write(start, id), from), to);
    this.hashes[this.size] = hash;
    this.sentAt[this.size] = sentAt;
    this.wasStored[this.size] = status === 'stored' ? 1 : 0;
    if (position !== undefined) this.positions ??= new Float64Array(this.capacity + 1);
    if (this.positions) this.positions[this.size] = position ?? 0;
    const place = hash & (PLACES - 1);
    this.previous[this.size] = this.newest[place]!;
    this.newest[place] = this.size;
  }

  /** Writes a text and a line feed, which neither ids nor user names contain; returns where it ends. */
  private write(start: number, text: string): number {
    const { letters } = this;
    for (let index = 0; index < text.length; index += 1) letters[start + index] = text.charCodeAt(index);
    letters[start + text.length] = LINE_FEED;
    return start + text.length + 1;
  }

  private isOf(number: number, { id, from, to }: MessageIdentity): boolean {
    const text = `${id}\n${from}\n${to}\n`;
    const start = this.ends[number - 1]!;
    for (let index = 0; index < text.length; index += 1) {
      if (this.letters[start + index] !== text.charCodeAt(index)) return false;
    }
    return true;
  }

  private makeRoom(end: number): void {
    if (end <= this.letters.length) return;
    const { letters } = this;
    this.letters = new Uint16Array(2 * end);
    this.letters.set(letters);
  }
}
