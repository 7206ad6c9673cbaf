import type { StoreRequest } from '../delivery/mailbox-store.js';
import type { SlotSet } from './slot-set.js';

/** Rows in one statement. 100 rows in a statement reach 33,000 rows/s, 1,000 reach 51,000, and more gain nothing. */
export const MAX_BATCH = 1_000;
/** Content in one statement, in bytes: it keeps the JSON parameter small. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;
/** The bytes of a row besides its content: names, keys and index entries. */
const ROW_BYTES = 1_024;
/** Senders are paused from here on: more messages would only wait longer, in memory. */
const FULL_ROWS = 8_000;
const FULL_BYTES = 16 * 1024 * 1024;

/** The messages that are to be stored, or recorded, and are not in a commit yet, in order. */
export class WaitingStores<Request extends Pick<StoreRequest, 'mailbox' | 'bytes' | 'mustKeep'> = StoreRequest> {
  private requests: Request[] = [];
  private content = 0;

  get size(): number {
    return this.requests.length;
  }

  /** Their content, in bytes of UTF-8. */
  get bytes(): number {
    return this.content;
  }

  get isFull(): boolean {
    return this.requests.length >= FULL_ROWS || this.content >= FULL_BYTES;
  }

  add(request: Request): void {
    this.requests.push(request);
    this.content += request.bytes;
  }

  /** Removes a request; returns false when it is not here any more. */
  cancel(request: Request): boolean {
    const index = this.requests.indexOf(request);
    if (index < 0) return false;
    this.requests.splice(index, 1);
    this.content -= request.bytes;
    return true;
  }

  /** Removes and returns the first requests, as many as one statement of at most `room` bytes may hold; always one. */
  takeBatch(room: number): Request[] {
    let size = 0;
    let bytes = 0;
    for (const request of this.requests) {
      const isTooMuch =
        bytes + request.bytes > MAX_BATCH_BYTES || bytes + request.bytes + (size + 1) * ROW_BYTES > room;
      if (size >= MAX_BATCH || (size > 0 && isTooMuch)) break;
      size += 1;
      bytes += request.bytes;
    }
    this.content -= bytes;
    return this.requests.splice(0, size);
  }

  /** Puts the requests of a failed commit back to the front. */
  putBack(requests: readonly Request[]): void {
    this.requests.unshift(...requests);
    for (const request of requests) this.content += request.bytes;
  }

  /** Forgets all requests. */
  clear(): void {
    this.requests = [];
    this.content = 0;
  }

  /** Returns whether a message for one of these slots waits. */
  hasAny(slots: SlotSet): boolean {
    return this.requests.some(({ mailbox }) => slots.has(mailbox));
  }

  /** Removes and returns the requests that were not accepted yet and so may be refused. */
  takeRefusable(): Request[] {
    const refusable = this.requests.filter((request) => !request.mustKeep);
    this.requests = this.requests.filter((request) => request.mustKeep);
    for (const request of refusable) this.content -= request.bytes;
    return refusable;
  }
}
