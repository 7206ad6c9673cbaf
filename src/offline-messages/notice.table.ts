import type { MailboxKey, StoredKey } from '../delivery/mailbox-store.js';
import { URGENCIES } from '../protocol/message-extras.js';
import type { Urgency } from '../protocol/message.js';
import type { Dialect } from './dialect.js';
import type { Fence } from './fence.js';
import { slotSql } from './slot.js';
import type { SlotSet } from './slot-set.js';
import type { Statements } from './statements.js';

/** What the store knows of a mailbox for its notice. A position is never 0, so 0 means that there is none. */
export interface NoticeState {
  readonly mailbox: MailboxKey;
  /** The position of the oldest message that waits; 0 in an empty mailbox. */
  readonly oldest: number;
  /**
   * When the oldest message of which the user may be told was accepted, in milliseconds since 1970; 0 when there is
   * none: a message that is not urgent at all waits until there is another.
   */
  readonly sentAt: number;
  /** The position of the oldest message that waited when the user was told; 0 when nobody was told. */
  readonly told: number;
}

/** What waits in a mailbox, in short. */
export interface WaitingSummary {
  readonly count: number;
  /** The senders of the oldest messages, in the order of their first, without repeats. */
  readonly from: readonly string[];
  readonly newest: { readonly id: string; readonly from: string; readonly to: string; readonly sentAt: number };
  /** The highest of all. */
  readonly urgency: Urgency;
}

/** How many senders a summary names, and among how many of the oldest messages they are looked for. */
const MAX_SENDERS = 20;
const MESSAGES_LOOKED_AT = 1_000;

const MESSAGES = 'holdfast_offline_message';
const NOTICES = 'holdfast_notice';
/** A message without an urgency counts as this place in URGENCIES. */
const NORMAL = '2';
/** The urgency of a message as its place in URGENCIES. */
const RANK = `COALESCE(urgency, ${NORMAL})`;
const IS_EMPTY = `NOT EXISTS (SELECT 1 FROM ${MESSAGES} m WHERE m.recipient = ${NOTICES}.recipient)`;

/**
 * The SQL of the notices: who was told that something waits. A user was told of the present spell when the notice has
 * the position of the oldest message, or a higher one. A confirmation removes the oldest message first, so it ends the
 * spell by itself, also when the process dies right after it. Every statement reads a bounded number of rows, except
 * that the messages of one mailbox are counted. Somebody else who has taken the store, behind the fence, reads and
 * writes the notices from then on.
 */
export class NoticeTable {
  private readonly dialect: Dialect;

  /**
   * `inTurn` runs statements between two commits of the store, on its connection. `slots` are those of a node, which
   * leaves the mailboxes of others alone.
   */
  constructor(
    private readonly statements: Statements,
    private readonly fence: Fence,
    private readonly inTurn: <Result>(run: () => Promise<Result>) => Promise<Result>,
    private readonly slots: SlotSet | null = null,
  ) {
    this.dialect = statements.dialect;
  }

  /** Returns the state of each of these mailboxes, also of empty ones; of none when somebody else owns the store. */
  async states(mailboxes: readonly MailboxKey[]): Promise<NoticeState[]> {
    return this.inTurn(async () => {
      const { records } = await this.statements.query<NoticeState>(
        `WITH asked AS (SELECT value->>0 AS mailbox FROM ${this.dialect.items})
         SELECT mailbox,
           COALESCE((SELECT position FROM ${MESSAGES} WHERE recipient = mailbox ORDER BY position LIMIT 1), 0) AS oldest,
           COALESCE((SELECT "sentAt" FROM ${MESSAGES} WHERE recipient = mailbox AND ${RANK} > 0 ORDER BY position LIMIT 1), 0)
             AS "sentAt",
           COALESCE((SELECT position FROM ${NOTICES} WHERE recipient = mailbox), 0) AS told
         FROM asked WHERE ${this.fence.sql}`,
        [listOf(this.own(mailboxes)), this.fence.value],
      );
      return records;
    });
  }

  /** Returns the mailboxes of the next `rows` messages after this mailbox, in order; none at the end. */
  async mailboxesAfter(mailbox: MailboxKey, rows: number): Promise<MailboxKey[]> {
    return this.inTurn(async () => {
      const { records } = await this.statements.query<{ mailbox: MailboxKey }>(
        `SELECT DISTINCT recipient AS mailbox
         FROM (SELECT recipient FROM ${MESSAGES} WHERE recipient > ? ORDER BY recipient LIMIT ?) AS next
         ORDER BY recipient`,
        [mailbox, rows],
      );
      return records.map((row) => row.mailbox);
    });
  }

  /** Returns the next mailboxes of a slot after this mailbox, in order; none at the end. */
  async mailboxesOfSlot(slot: number, mailbox: MailboxKey, limit: number): Promise<MailboxKey[]> {
    return this.inTurn(async () => {
      const { records } = await this.statements.query<{ mailbox: MailboxKey }>(
        `SELECT DISTINCT recipient AS mailbox FROM ${MESSAGES}
         WHERE ${slotSql('recipient')} = CAST(? AS integer) AND recipient > ? ORDER BY recipient LIMIT ?`,
        [slot, mailbox, limit],
      );
      return records.map((row) => row.mailbox);
    });
  }

  /** Returns the mailboxes of the next notices after this mailbox, in order; none at the end. */
  async toldAfter(mailbox: MailboxKey, limit: number): Promise<MailboxKey[]> {
    return this.inTurn(async () => {
      const { records } = await this.statements.query<{ mailbox: MailboxKey }>(
        `SELECT recipient AS mailbox FROM ${NOTICES} WHERE recipient > ? ORDER BY recipient LIMIT ?`,
        [mailbox, limit],
      );
      return records.map((row) => row.mailbox);
    });
  }

  /** Returns what waits in this mailbox; null when nothing does. */
  async summary(mailbox: MailboxKey): Promise<WaitingSummary | null> {
    return this.inTurn(async () => {
      const { records: newest } = await this.statements.query<WaitingSummary['newest']>(
        `SELECT id, sender AS "from", recipient AS "to", "sentAt" FROM ${MESSAGES}
         WHERE recipient = ? ORDER BY position DESC LIMIT 1`,
        [mailbox],
      );
      if (!newest[0]) return null;
      const { records: totals } = await this.statements.query<{ count: number; rank: number }>(
        `SELECT COUNT(*) AS count, MAX(${RANK}) AS rank FROM ${MESSAGES} WHERE recipient = ?`,
        [mailbox],
      );
      const { records: senders } = await this.statements.query<{ from: string }>(
        `SELECT sender AS "from" FROM (
           SELECT sender, position FROM ${MESSAGES} WHERE recipient = ? ORDER BY position LIMIT ?) AS first
         GROUP BY sender ORDER BY MIN(position) LIMIT ?`,
        [mailbox, MESSAGES_LOOKED_AT, MAX_SENDERS],
      );
      const { count, rank } = totals[0]!;
      return { count, from: senders.map(({ from }) => from), newest: newest[0], urgency: URGENCIES[rank]! };
    });
  }

  /** Notes that the user was told of what waits now, unless `isOver` says in its turn that this spell has ended. */
  async save(mailbox: MailboxKey, isOver: () => boolean): Promise<void> {
    await this.inTurn(async () => {
      if (isOver() || this.own([mailbox]).length === 0) return;
      await this.statements.query(
        `INSERT INTO ${NOTICES} (recipient, position)
         SELECT recipient, MIN(position) FROM ${MESSAGES} WHERE recipient = ? AND ${this.fence.sql} GROUP BY recipient
         ON CONFLICT (recipient) DO UPDATE SET position = excluded.position`,
        [mailbox, this.fence.value],
      );
    });
  }

  /** Deletes the notices of those of these mailboxes that are empty. */
  async removeOfEmpty(mailboxes: readonly MailboxKey[]): Promise<void> {
    await this.inTurn(async () => {
      await this.statements.query(
        `DELETE FROM ${NOTICES}
         WHERE recipient IN (SELECT value->>0 FROM ${this.dialect.items}) AND ${IS_EMPTY} AND ${this.fence.sql}`,
        [listOf(this.own(mailboxes)), this.fence.value],
      );
    });
  }

  /**
   * Keeps up with messages that left without a confirmation: the notice of a mailbox that is empty now is deleted, and
   * one of the removed message goes to what is the oldest now, as the spell goes on. `removed` is called in its turn and
   * returns the first such message of each mailbox.
   */
  async follow(removed: () => readonly Pick<StoredKey, 'mailbox' | 'position'>[]): Promise<void> {
    await this.inTurn(async () => {
      const gone = removed().filter((row) => this.slots?.has(row.mailbox) ?? true);
      const rows = JSON.stringify(gone.map(({ mailbox, position }) => [mailbox, position]));
      await this.statements.query(
        `DELETE FROM ${NOTICES}
         WHERE recipient IN (SELECT value->>0 FROM ${this.dialect.items}) AND ${IS_EMPTY} AND ${this.fence.sql}`,
        [rows, this.fence.value],
      );
      await this.statements.query(
        `UPDATE ${NOTICES}
         SET position = (SELECT MIN(m.position) FROM ${MESSAGES} m WHERE m.recipient = ${NOTICES}.recipient)
         FROM (SELECT value->>0 AS mailbox, CAST(value->>1 AS bigint) AS "first" FROM ${this.dialect.items}) AS gone
         WHERE recipient = mailbox AND ${NOTICES}.position >= "first" AND NOT ${IS_EMPTY} AND ${this.fence.sql}`,
        [rows, this.fence.value],
      );
    });
  }

  private own(mailboxes: readonly MailboxKey[]): readonly MailboxKey[] {
    const { slots } = this;
    return slots === null ? mailboxes : mailboxes.filter((mailbox) => slots.has(mailbox));
  }
}

/** A parameter with one mailbox in each row. */
function listOf(mailboxes: readonly MailboxKey[]): string {
  return JSON.stringify(mailboxes.map((mailbox) => [mailbox]));
}
