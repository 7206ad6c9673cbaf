import type { RecordRequest, StoreRequest } from '../delivery/mailbox-store.js';
import type { Message } from '../protocol/message.js';
import type { MovedMark } from '../protocol/news.js';
import type { PendingMark } from './pending-marks.js';
import { recordKeyText, type RecordRows } from './record-rows.js';

/** The part of a commit that is of the record: messages, those that were relayed before them, and marks. */
export class RecordBatch {
  private found: ReadonlyMap<string, number> = new Map();
  /** The marks that have moved by this commit. */
  moved: readonly MovedMark[] = [];
  /** The messages that it has written. */
  messages: readonly Message[] = [];
  isCommitted = false;
  /** How many messages it has added. */
  added = 0;

  constructor(
    private readonly rows: RecordRows,
    readonly requests: readonly RecordRequest[],
    readonly marks: readonly PendingMark[],
  ) {}

  /** There is something to write, with these messages that are stored in the same commit. */
  isNeeded(stored: readonly StoreRequest[]): boolean {
    return this.requests.length > 0 || this.marks.length > 0 || stored.some(needsRecord);
  }

  /** Commits all of it together with what `insert` writes, and returns what that returned. */
  async commit(stored: readonly StoreRequest[], insert: () => Promise<number>): Promise<number> {
    return this.rows.together(async () => {
      const inserted = await insert();
      await this.write(stored);
      return inserted;
    });
  }

  private async write(stored: readonly StoreRequest[]): Promise<void> {
    // A message that was relayed may be stored in the same commit.
    const messages = new Set<Message>(this.requests.map(({ message }) => message));
    for (const request of stored) if (needsRecord(request)) messages.add(request.message);
    this.messages = [...messages];
    if (messages.size > 0)
      ({ added: this.added, found: this.found } = await this.rows.insert(this.messages, this.marks));
    else await this.rows.lock([], this.marks);
    if (this.marks.length > 0) this.moved = await this.rows.move(this.marks);
  }

  /** Returns where a message of this commit stands; undefined when it is not recorded. */
  positionOf(message: Message): number | undefined {
    return this.found.get(recordKeyText(message)) ?? message.extras?.position;
  }
}

function needsRecord({ needsRecord: needs = false }: StoreRequest): boolean {
  return needs;
}
