import { OfflineMessageTable } from './offline-message.table.js';
import type { Statements } from './statements.js';

/** What waits for one user. */
export interface PendingOfUser {
  readonly user: string;
  readonly count: number;
  readonly bytes: number;
  /** `sentAt` of the oldest and the newest, in milliseconds since 1970. */
  readonly oldest: number;
  readonly newest: number;
}

/** The same of the first rows behind a place, with the position of the last of them. */
export interface PartOfMailbox extends PendingOfUser {
  readonly lastPosition: number;
}

const TABLE = 'holdfast_offline_message';

/** The SQL of the lists: each statement reads no more than so many rows, in the order of an index. */
export class PendingListTable extends OfflineMessageTable {
  /** Without an owner it inserts nothing. */
  constructor(statements: Statements, owner = '') {
    super(statements, owner);
  }

  /** What waits in the next mailboxes behind this place, by recipient and position, as far as so many rows go: of the last one it may be a part. */
  async mailboxParts(after: { user: string; position: number }, rows: number): Promise<PartOfMailbox[]> {
    const { records } = await this.query<PartOfMailbox>(
      `SELECT recipient AS "user", COUNT(*) AS count, SUM(bytes) AS bytes, MIN("sentAt") AS oldest, MAX("sentAt") AS newest,
         MAX(position) AS "lastPosition"
       FROM (SELECT recipient, position, bytes, "sentAt" FROM ${TABLE} WHERE (recipient, position) > (?, ?)
         ORDER BY recipient, position LIMIT ?) AS next
       GROUP BY recipient ORDER BY recipient`,
      [after.user, after.position, rows],
    );
    return records;
  }

  /** How many users there are among the next rows behind those of this one, and behind whom to go on; null when that was all. */
  async users(after: string, rows: number): Promise<{ count: number; user: string | null }> {
    const { records } = await this.query<{ users: number; count: number; user: string }>(
      `SELECT COUNT(DISTINCT recipient) AS users, COUNT(*) AS count, MAX(recipient) AS "user"
       FROM (SELECT recipient FROM ${TABLE} WHERE recipient > ? ORDER BY recipient LIMIT ?) AS next`,
      [after, rows],
    );
    const { users, count, user } = records[0]!;
    return { count: users, user: count < rows ? null : user };
  }

  /** How many of the next rows of a mailbox there are above this position, and above which to go on; null when that was all. */
  async countAfter(
    recipient: string,
    after: number,
    rows: number,
  ): Promise<{ count: number; position: number | null }> {
    const { records } = await this.query<{ count: number; lastPosition: number }>(
      `SELECT COUNT(*) AS count, MAX(position) AS "lastPosition"
       FROM (SELECT position FROM ${TABLE} WHERE recipient = ? AND position > ? ORDER BY position LIMIT ?) AS next`,
      [recipient, after, rows],
    );
    const { count, lastPosition } = records[0]!;
    return { count, position: count < rows ? null : lastPosition };
  }
}
