import { NEVER, type Fence } from './fence.js';
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

/** The same for the first rows after a cursor, with the position of the last of them. */
export interface PartOfMailbox extends PendingOfUser {
  readonly lastPosition: number;
}

const TABLE = 'holdfast_offline_message';

/** The SQL of the lists: each statement reads a limited number of rows, in the order of an index. */
export class PendingListTable extends OfflineMessageTable {
  constructor(statements: Statements, fence: Fence = NEVER) {
    super(statements, fence);
  }

  /**
   * Returns what waits in the next mailboxes after this cursor, as far as `rows` go: the last one may be a part of a
   * mailbox.
   */
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

  /**
   * Returns how many users the next `rows` after this user belong to, and the user after whom to go on; null at the
   * end.
   */
  async users(after: string, rows: number): Promise<{ count: number; user: string | null }> {
    const { records } = await this.query<{ users: number; count: number; user: string }>(
      `SELECT COUNT(DISTINCT recipient) AS users, COUNT(*) AS count, MAX(recipient) AS "user"
       FROM (SELECT recipient FROM ${TABLE} WHERE recipient > ? ORDER BY recipient LIMIT ?) AS next`,
      [after, rows],
    );
    const { users, count, user } = records[0]!;
    return { count: users, user: count < rows ? null : user };
  }

  /** Returns how many of the next `rows` of a mailbox are above this position, and where to go on; null at the end. */
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
