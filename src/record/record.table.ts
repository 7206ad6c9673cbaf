import type { Statements } from '../offline-messages/statements.js';
import type { Conversation, RecordedMessage } from './record.js';

/** A page ends with the message that brings its content to this many bytes. */
const PAGE_BYTES = 1024 * 1024;
/** No more are counted as unread in one conversation. */
const MAX_UNREAD = 1_000;
/** How many messages behind the read mark are looked at, and how many conversations when all are counted. */
const LOOKED_AT = 2_000;
const CONVERSATIONS_COUNTED = 1_000;

const RECORD = 'holdfast_record';
const MEMBERS = 'holdfast_member';
const USERS = 'holdfast_record_user';
const MESSAGE = `position, sender AS "from", recipient AS "to", id, content, meta, "sentAt", "erasedAt"`;
/**
 * Messages of the other side behind the read mark of the member `m`. A position is odd when the greater name has sent
 * it, so that the index alone is read.
 */
const UNREAD = `(SELECT COUNT(*) FROM (SELECT 1 FROM (
    SELECT r.position FROM ${RECORD} r WHERE r.conversation = m.conversation AND r.position > COALESCE(m."read", 0)
    ORDER BY r.position LIMIT ${LOOKED_AT}) AS newer
  WHERE newer.position % 2 = CASE WHEN m.conversation = m."user" || '\n' || m.peer THEN 1 ELSE 0 END
  LIMIT ${MAX_UNREAD}) AS unread_ones)`;

/** Where something stands, and how long its content is. */
interface Size {
  readonly place: number;
  readonly bytes: number;
}

/** Rows of one page, and whether something follows. */
export interface Rows<Row> {
  readonly rows: readonly Row[];
  readonly hasMore: boolean;
}

/** A recorded message with its number among those of one user. */
export interface NumberedMessage extends RecordedMessage {
  readonly number: number;
}

/** A conversation with the position of its newest message that is kept. */
type ConversationRow = Omit<Conversation, 'last' | 'own' | 'peer'> & {
  readonly conversation: string;
  readonly last: number | null;
  readonly delivered: number | null;
  readonly read: number | null;
  readonly peerDelivered: number | null;
  readonly peerRead: number | null;
};

/**
 * The SQL that reads the record. Each page is read in two steps, so that no more content is in memory than it has: first
 * where its messages stand and how long they are, then the messages.
 */
export class RecordTable {
  constructor(private readonly statements: Statements) {}

  /** Returns the last messages of a conversation before a position, oldest first. */
  async before(conversation: string, position: number, limit: number): Promise<Rows<RecordedMessage>> {
    const sizes = await this.query<Size>(
      `SELECT position AS place, ${this.bytes} AS bytes FROM ${RECORD}
       WHERE conversation = ? AND position < ? ORDER BY position DESC LIMIT ?`,
      [conversation, position, limit + 1],
    );
    const { count, hasMore } = cut(sizes, limit);
    return { rows: await this.between(conversation, sizes[count - 1]?.place, sizes[0]?.place), hasMore };
  }

  /** Returns the first messages of a conversation after a position, oldest first. */
  async after(conversation: string, position: number, limit: number): Promise<Rows<RecordedMessage>> {
    const sizes = await this.query<Size>(
      `SELECT position AS place, ${this.bytes} AS bytes FROM ${RECORD}
       WHERE conversation = ? AND position > ? ORDER BY position LIMIT ?`,
      [conversation, position, limit + 1],
    );
    const { count, hasMore } = cut(sizes, limit);
    return { rows: await this.between(conversation, sizes[0]?.place, sizes[count - 1]?.place), hasMore };
  }

  /** Returns the last number that was drawn for a user, and up to which one something may be gone. */
  async numbersOf(user: string): Promise<{ lastNumber: number; keptFrom: number }> {
    const [found] = await this.query<{ lastNumber: number; keptFrom: number }>(
      `SELECT "lastNumber", "keptFrom" FROM ${USERS} WHERE name = ?`,
      [user],
    );
    return found ?? { lastNumber: 0, keptFrom: 0 };
  }

  /** Returns the first messages to and from a user after a number, in the order of their numbers. */
  async since(user: string, number: number, limit: number): Promise<Rows<NumberedMessage>> {
    const sizes = await this.query<Size>(
      `SELECT place, bytes FROM (
         SELECT * FROM (SELECT "recipientNumber" AS place, ${this.bytes} AS bytes FROM ${RECORD}
           WHERE recipient = ? AND "recipientNumber" > ? ORDER BY "recipientNumber" LIMIT ?) AS received
         UNION ALL
         SELECT * FROM (SELECT "senderNumber" AS place, ${this.bytes} AS bytes FROM ${RECORD}
           WHERE sender = ? AND "senderNumber" > ? AND recipient <> sender ORDER BY "senderNumber" LIMIT ?) AS sent
       ) AS both_ways ORDER BY place LIMIT ?`,
      [user, number, limit + 1, user, number, limit + 1, limit + 1],
    );
    const { count, hasMore } = cut(sizes, limit);
    if (count === 0) return { rows: [], hasMore };
    const upTo = sizes[count - 1]!.place;
    const rows = await this.query<NumberedMessage>(
      `SELECT ${MESSAGE}, "recipientNumber" AS number FROM ${RECORD}
       WHERE recipient = ? AND "recipientNumber" > ? AND "recipientNumber" <= ?
       UNION ALL SELECT ${MESSAGE}, "senderNumber" AS number FROM ${RECORD}
       WHERE sender = ? AND "senderNumber" > ? AND "senderNumber" <= ? AND recipient <> sender ORDER BY number`,
      [user, number, upTo, user, number, upTo],
    );
    return { rows: rows.map((row) => this.messageOf(row)), hasMore };
  }

  /** Returns conversations of a user whose newest message is before a position, the newest first. */
  async conversations(user: string, before: number, limit: number): Promise<Rows<Conversation>> {
    const found = await this.query<ConversationRow>(
      `SELECT m.conversation, m.peer AS "with", m.newest, m.delivered, m."read",
         p.delivered AS "peerDelivered", p."read" AS "peerRead", ${UNREAD} AS unread,
         (SELECT MAX(r.position) FROM ${RECORD} r WHERE r.conversation = m.conversation) AS last
       FROM ${MEMBERS} m LEFT JOIN ${MEMBERS} p ON p.conversation = m.conversation AND p."user" = m.peer
       WHERE m."user" = ? AND m.newest < ? ORDER BY m.newest DESC LIMIT ?`,
      [user, before, limit + 2],
    );
    const bytes = await this.sizesOf(found);
    let { count } = cut(
      found.map(({ conversation, newest: place }) => ({ place, bytes: bytes.get(conversation) ?? 0 })),
      limit,
    );
    // The next page begins behind a position, which two conversations may share.
    while (count > 0 && found[count]?.newest === found[count - 1]!.newest) count += 1;
    const page = found.slice(0, count);
    const last = await this.lastOf(page);
    return { rows: page.map((row) => toConversation(row, last.get(row.conversation))), hasMore: found.length > count };
  }

  /** Returns how many messages one conversation of a user has behind the read mark, at most MAX_UNREAD. */
  async unread(conversation: string, user: string): Promise<number> {
    const [found] = await this.query<{ unread: number }>(
      `SELECT ${UNREAD} AS unread FROM ${MEMBERS} m WHERE m.conversation = ? AND m."user" = ?`,
      [conversation, user],
    );
    return found?.unread ?? 0;
  }

  async has(conversation: string, user: string): Promise<boolean> {
    const rows = await this.query(`SELECT 1 AS found FROM ${MEMBERS} WHERE conversation = ? AND "user" = ?`, [
      conversation,
      user,
    ]);
    return rows.length > 0;
  }

  /** Returns the same for all conversations of a user together. */
  async unreadOfAll(user: string): Promise<number> {
    const [found] = await this.query<{ unread: number }>(
      `SELECT COALESCE(SUM(unread), 0) AS unread FROM (
         SELECT ${UNREAD} AS unread FROM ${MEMBERS} m WHERE m."user" = ? AND m.newest > COALESCE(m."read", 0)
         ORDER BY m.newest DESC LIMIT ${CONVERSATIONS_COUNTED}) AS counted`,
      [user],
    );
    return Math.min(found!.unread, MAX_UNREAD);
  }

  private async between(conversation: string, first?: number, last?: number): Promise<RecordedMessage[]> {
    if (first === undefined || last === undefined) return [];
    const rows = await this.query<RecordedMessage>(
      `SELECT ${MESSAGE} FROM ${RECORD} WHERE conversation = ? AND position >= ? AND position <= ? ORDER BY position`,
      [conversation, first, last],
    );
    return rows.map((row) => this.messageOf(row));
  }

  /** Returns the length of the newest message of each conversation. */
  private async sizesOf(found: readonly ConversationRow[]): Promise<Map<string, number>> {
    const rows = await this.query<{ conversation: string; bytes: number }>(
      `WITH wanted AS (SELECT value->>0 AS name, CAST(value->>1 AS bigint) AS place FROM ${this.statements.dialect.items})
       SELECT conversation, ${this.bytes} AS bytes FROM wanted JOIN ${RECORD} ON conversation = name AND position = place`,
      [placesOf(found)],
    );
    return new Map(rows.map(({ conversation, bytes }) => [conversation, bytes]));
  }

  private async lastOf(found: readonly ConversationRow[]): Promise<Map<string, RecordedMessage>> {
    const rows = await this.query<RecordedMessage & { conversation: string }>(
      `WITH wanted AS (SELECT value->>0 AS name, CAST(value->>1 AS bigint) AS place FROM ${this.statements.dialect.items})
       SELECT conversation, ${MESSAGE} FROM wanted JOIN ${RECORD} ON conversation = name AND position = place`,
      [placesOf(found)],
    );
    return new Map(rows.map(({ conversation, ...row }) => [conversation, this.messageOf(row)]));
  }

  private get bytes(): string {
    return this.statements.dialect.contentBytes;
  }

  private messageOf<Row extends RecordedMessage>(row: Row): Row {
    return { ...row, content: this.statements.dialect.fromColumn(row.content) };
  }

  private async query<Row>(sql: string, parameters: unknown[]): Promise<Row[]> {
    return (await this.statements.query<Row>(sql, parameters)).records;
  }
}

/** Returns how many of these rows, of which there may be one more, are a page. */
function cut(sizes: readonly Size[], limit: number): { count: number; hasMore: boolean } {
  let count = 0;
  for (let bytes = 0; count < Math.min(sizes.length, limit) && bytes < PAGE_BYTES; count += 1)
    bytes += sizes[count]!.bytes;
  return { count, hasMore: sizes.length > count };
}

function placesOf(found: readonly ConversationRow[]): string {
  return JSON.stringify(found.map(({ conversation, last }) => [conversation, last]));
}

function toConversation(row: ConversationRow, last: RecordedMessage | undefined): Conversation {
  return {
    with: row.with,
    newest: row.newest,
    last: last ?? null,
    unread: row.unread,
    own: { delivered: row.delivered, read: row.read },
    peer: { delivered: row.peerDelivered, read: row.peerRead },
  };
}
