import type { StoreRequest } from '../delivery/mailbox-store.js';

/** Rows in one statement. More gain nothing: 100 rows a statement reach 33,000 rows/s, 1,000 reach 51,000. */
export const MAX_BATCH = 1_000;
/** Content in one statement, in bytes, so that its JSON parameter stays small. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;
/** What a row takes beside its content, in bytes: names, keys and their places in the indices. */
export const ROW_BYTES = 1_024;
/** From here on senders are paused: more would only wait longer, in memory. */
const FULL_ROWS = 8_000;
const FULL_BYTES = 16 * 1024 * 1024;

/** The messages that were handed over to be stored and are in no commit yet, in order. */
export class WaitingStores {
  private requests: StoreRequest[] = [];
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

  add(request: StoreRequest): void {
    this.requests.push(request);
    this.content += request.bytes;
  }

  /** Takes one out; answers false when it is not here any more. */
  cancel(request: StoreRequest): boolean {
    const index = this.requests.indexOf(request);
    if (index < 0) return false;
    this.requests.splice(index, 1);
    this.content -= request.bytes;
    return true;
  }

  /** Takes out the first of them, as many as go into one statement of at most so many bytes; one in any case. */
  takeBatch(room: number): StoreRequest[] {
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

  /** Puts those of a commit that failed back to the front. */
  putBack(requests: readonly StoreRequest[]): void {
    this.requests.unshift(...requests);
    for (const request of requests) this.content += request.bytes;
  }

  /** Takes out those that were not taken yet and so may be refused. */
  takeRefusable(): StoreRequest[] {
    const refusable = this.requests.filter((request) => !request.mustKeep);
    this.requests = this.requests.filter((request) => request.mustKeep);
    for (const request of refusable) this.content -= request.bytes;
    return refusable;
  }
}
