import { Logger } from '@nestjs/common';
import { setTimeout as pass } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import { errors } from '../protocol/chat-error.js';
import type { Dialect } from './dialect.js';
import type { StoredMessage } from './offline-message.table.js';
import { PendingListTable, type PendingOfUser } from './pending-list.table.js';
import { Statements } from './statements.js';

/** Opens a connection beside the store's, which only reads. */
export type OpenReader = () => Promise<DataSource>;

/** Reads between two commits, on the store's own connection. */
export type OwnRead = <Result>(read: (table: PendingListTable) => Promise<Result>) => Promise<Result>;

/** So long a statement of a list should take, in milliseconds, where it is waited for: on the event loop, or on the store's own connection. */
const WAITED_MS = 4;
/** And beside them. */
const BESIDE_MS = 50;
/** Rows of one statement: so many at first, and then as its time allows, in these limits. A row with 60,000 bytes takes 50 times as long as a short one. */
const FIRST_ROWS = 200;
const FEWEST_ROWS = 100;
const MOST_ROWS = 4_000;
/** Content in one statement, in bytes. */
const SLICE_BYTES = 1024 * 1024;

/**
 * What waits, for an administrator who asks: read beside the store's connection, a slice at a time, however much there is, so
 * that no receipt waits for a list. All lists together read one slice after the other, and pause as long as each took. A
 * store in memory has one connection, where the slices go between two commits.
 *
 * A list is no picture of one moment. Whoever waits throughout while it is read, and paged, is in it.
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

  /** The first mailboxes with something in them, behind that of `after`, by name. Rejects with STORE_UNAVAILABLE when the disk can't be read. */
  async mailboxes(limit: number, after = ''): Promise<PendingOfUser[]> {
    const found: PendingOfUser[] = [];
    for await (const mailbox of this.walk(after)) {
      found.push(mailbox);
      if (found.length >= limit) break;
    }
    return found;
  }

  /** The mailboxes with most in them, most first, and how many there are in all; reads all that waits. */
  async fullest(limit: number): Promise<{ items: PendingOfUser[]; total: number }> {
    let items: PendingOfUser[] = [];
    let total = 0;
    const keepFullest = (): void => {
      items = items.sort((a, b) => b.count - a.count).slice(0, limit);
    };
    for await (const mailbox of this.walk('')) {
      total += 1;
      items.push(mailbox);
      if (items.length > 2 * limit) keepFullest();
    }
    keepFullest();
    return { items, total };
  }

  /** For how many users something waits. */
  async users(): Promise<number> {
    let total = 0;
    for (let after: string | null = ''; after !== null;) {
      const begun: string = after;
      const { count, user } = await this.slice((table, rows) => table.users(begun, rows));
      total += count;
      after = user;
    }
    return total;
  }

  /** How many messages wait for a user. */
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

  /** The first messages of a mailbox with a position above `after`, in order: at most `limit`, and none behind the one that brings their content to `maxBytes`. */
  async messages(
    user: string,
    after: number,
    limit: number,
    maxBytes: number,
  ): Promise<{ rows: readonly StoredMessage[]; isLast: boolean }> {
    const found: StoredMessage[] = [];
    for (let bytes = 0; ;) {
      const begun = found.at(-1)?.position ?? after;
      const most = Math.min(SLICE_BYTES, maxBytes - bytes);
      const { part, wanted } = await this.slice(async (table, rows) => {
        const count = Math.min(rows, limit - found.length);
        return { wanted: count, part: await table.page(user, begun, Number.MAX_SAFE_INTEGER, count, most) };
      });
      found.push(...part);
      const read = part.reduce((sum, row) => sum + row.bytes, 0);
      bytes += read;
      if (part.length < wanted && read < most) return { rows: found, isLast: true };
      if (found.length >= limit || bytes >= maxBytes) return { rows: found, isLast: false };
    }
  }

  /** Lets go of the connection, which is opened anew by the next list: the store's own was, on what may be another file. */
  async forget(): Promise<void> {
    const { reader } = this;
    this.reader = null;
    await reader?.then((dataSource) => dataSource.destroy()).catch((error: unknown) => this.tell(error));
  }

  /** Ends the lists: those that are being read fail. */
  async close(): Promise<void> {
    this.closed = true;
    await this.last;
    await this.forget();
  }

  /** All mailboxes behind that of `after`, by name. */
  private async *walk(after: string): AsyncGenerator<PendingOfUser> {
    let place = { user: after, position: Number.MAX_SAFE_INTEGER };
    let mailbox: PendingOfUser | null = null;
    for (;;) {
      const begun = place;
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
        place = { user: part.user, position: lastPosition };
      }
      if (isLast) break;
    }
    if (mailbox) yield mailbox;
  }

  /** Reads a few rows when it is their turn, and sees to it that the next ones take about as long as they may. */
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
      this.tell(cause);
      await this.forget();
      throw errors.notRead(cause);
    }
  }

  private tell(error: unknown): void {
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
