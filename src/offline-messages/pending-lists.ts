import { Logger } from '@nestjs/common';
import { setTimeout as pass } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import { mailboxKeyOf, type StoredMessage } from '../delivery/mailbox-store.js';
import { errors } from '../protocol/chat-error.js';
import type { Dialect } from './dialect.js';
import { NO_MAILBOX } from './offline-message.table.js';
import { PendingListTable, type PendingOfUser } from './pending-list.table.js';
import { Statements } from './statements.js';

/** Opens a connection beside the store's, which only reads. */
export type OpenReader = () => Promise<DataSource>;

/** Reads between two commits, on the store's own connection. */
export type OwnRead = <Result>(read: (table: PendingListTable) => Promise<Result>) => Promise<Result>;

/**
 * How long a statement of a list should take, in milliseconds, where it blocks others: on the event loop, or on the
 * store's own connection.
 */
const WAITED_MS = 4;
/** The same on a connection of its own. */
const BESIDE_MS = 50;
/**
 * Rows of one statement: first this many, then as many as its time allows, within these limits. A row with 60,000 bytes
 * takes 50 times as long as a short one.
 */
const FIRST_ROWS = 200;
const FEWEST_ROWS = 100;
const MOST_ROWS = 4_000;
/** Content in one statement, in bytes. */
const SLICE_BYTES = 1024 * 1024;
/** Content after which a page ends, in bytes: twice what may wait for a user by default. */
const PAGE_BYTES = 16 * 1024 * 1024;

/**
 * What waits, for an administrator who asks. Lists are read on a connection of their own, in slices, however much there
 * is, so that no receipt waits for a list. All lists share one sequence of slices, with a pause after each that is as
 * long as the slice took. A store in memory has only one connection, where the slices are read between two commits.
 *
 * A list is not a snapshot. It contains every mailbox that has messages during the whole time in which it is read.
 */
export class PendingLists {
  private readonly logger = new Logger('OfflineMessages');
  private reader: Promise<DataSource> | null = null;
  private last: Promise<unknown> = Promise.resolve();
  private rows = FIRST_ROWS;
  private tookMs = 0;
  private closed = false;

  private readonly sliceMs: number;

  /** `openReader` is null where there can be only one connection. */
  constructor(
    private readonly own: OwnRead,
    private readonly openReader: OpenReader | null,
    { isOnEventLoop }: Pick<Dialect, 'isOnEventLoop'>,
  ) {
    this.sliceMs = openReader && !isOnEventLoop ? BESIDE_MS : WAITED_MS;
  }

  /**
   * Returns the first mailboxes with messages after that of `after`, by name. Rejects with STORE_UNAVAILABLE when the
   * disk cannot be read.
   */
  async mailboxes(limit: number, after: string = NO_MAILBOX): Promise<PendingOfUser[]> {
    const found: PendingOfUser[] = [];
    for await (const mailbox of this.walk(after)) {
      found.push(mailbox);
      if (found.length >= limit) break;
    }
    return found;
  }

  /**
   * Returns the mailboxes with the most messages, most first, and how many mailboxes there are; reads everything that
   * waits.
   */
  async fullest(limit: number): Promise<{ items: PendingOfUser[]; total: number }> {
    let items: PendingOfUser[] = [];
    let total = 0;
    const keepFullest = (): void => {
      items = items.sort((a, b) => b.count - a.count).slice(0, limit);
    };
    for await (const mailbox of this.walk(NO_MAILBOX)) {
      total += 1;
      items.push(mailbox);
      if (items.length > 2 * limit) keepFullest();
    }
    keepFullest();
    return { items, total };
  }

  /** Returns for how many users messages wait. */
  async users(): Promise<number> {
    let total = 0;
    for (let after: string | null = NO_MAILBOX; after !== null;) {
      const begun: string = after;
      const { count, user } = await this.slice((table, rows) => table.users(begun, rows));
      total += count;
      after = user;
    }
    return total;
  }

  /** Returns how many messages wait for a user. */
  async count(user: string): Promise<number> {
    let total = 0;
    for (let after: number | null = 0; after !== null;) {
      const begun: number = after;
      const { count, position } = await this.slice((table, rows) => table.countAfter(user, begun, rows));
      total += count;
      after = position;
    }
    return total;
  }

  /**
   * Returns the first messages of a mailbox with a position above `after`, in order: at most `limit`, and none after
   * the one that brings their content to 16 MiB. The next page begins after `next`, which is null on the last one.
   */
  async page(user: string, after: number, limit: number): Promise<{ rows: StoredMessage[]; next: number | null }> {
    const { found, isLast } = await this.firstMessages(user, after, limit + 1);
    const rows = found.slice(0, limit);
    return { rows, next: isLast ? null : rows.at(-1)!.position };
  }

  private async firstMessages(
    user: string,
    after: number,
    limit: number,
  ): Promise<{ found: StoredMessage[]; isLast: boolean }> {
    const found: StoredMessage[] = [];
    for (let bytes = 0; ;) {
      const begun = found.at(-1)?.position ?? after;
      const most = Math.min(SLICE_BYTES, PAGE_BYTES - bytes);
      const { part, wanted } = await this.slice(async (table, rows) => {
        const count = Math.min(rows, limit - found.length);
        return {
          wanted: count,
          part: await table.page(mailboxKeyOf(user), begun, Number.MAX_SAFE_INTEGER, count, most),
        };
      });
      found.push(...part);
      const read = part.reduce((sum, row) => sum + row.bytes, 0);
      bytes += read;
      if (part.length < wanted && read < most) return { found, isLast: true };
      if (found.length >= limit || bytes >= PAGE_BYTES) return { found, isLast: false };
    }
  }

  /**
   * Closes the connection; the next list opens it again. The store's own connection was reopened, perhaps on another
   * file.
   */
  async closeReader(): Promise<void> {
    const { reader } = this;
    this.reader = null;
    await reader?.then((dataSource) => dataSource.destroy()).catch((error: unknown) => this.logFailure(error));
  }

  /** Ends the lists. Those that are being read fail. */
  async close(): Promise<void> {
    this.closed = true;
    await this.last;
    await this.closeReader();
  }

  /** Yields all mailboxes after that of `after`, by name. */
  private async *walk(after: string): AsyncGenerator<PendingOfUser> {
    let cursor = { user: after, position: Number.MAX_SAFE_INTEGER };
    let mailbox: PendingOfUser | null = null;
    for (;;) {
      const begun = cursor;
      const { parts, isLast } = await this.slice(async (table, rows) => {
        const found = await table.mailboxParts(begun, rows);
        return { parts: found, isLast: found.reduce((sum, { count }) => sum + count, 0) < rows };
      });
      for (const { lastPosition, ...part } of parts) {
        if (mailbox?.user === part.user) mailbox = joined(mailbox, part);
        else {
          if (mailbox) yield mailbox;
          mailbox = part;
        }
        cursor = { user: part.user, position: lastPosition };
      }
      if (isLast) break;
    }
    if (mailbox) yield mailbox;
  }

  /** Reads some rows in its turn, and adapts the number of rows so that the next slice takes the intended time. */
  private slice<Result>(read: (table: PendingListTable, rows: number) => Promise<Result>): Promise<Result> {
    const slice = this.last.then(async () => {
      const begun = performance.now();
      try {
        return await this.read((table) => read(table, this.rows));
      } finally {
        this.tookMs = performance.now() - begun;
        const rows = this.rows * Math.min(2, this.sliceMs / this.tookMs);
        this.rows = Math.round(Math.max(FEWEST_ROWS, Math.min(MOST_ROWS, rows)));
      }
    });
    const pause = (): Promise<void> => pass(this.tookMs);
    this.last = slice.then(pause, pause);
    return slice;
  }

  private async read<Result>(read: (table: PendingListTable) => Promise<Result>): Promise<Result> {
    if (this.closed) throw errors.goingAway();
    if (!this.openReader) return this.own(read);
    this.reader ??= this.openReader();
    try {
      return await read(new PendingListTable(new Statements(await this.reader)));
    } catch (cause) {
      this.logFailure(cause);
      await this.closeReader();
      throw errors.notRead(cause);
    }
  }

  private logFailure(error: unknown): void {
    this.logger.warn(`What waits can't be listed: ${String(error)}`);
  }
}

function joined(first: PendingOfUser, { user, count, bytes, oldest, newest }: PendingOfUser): PendingOfUser {
  return {
    user,
    count: first.count + count,
    bytes: first.bytes + bytes,
    oldest: Math.min(first.oldest, oldest),
    newest: Math.max(first.newest, newest),
  };
}
