import { hash } from 'node:crypto';
import type { StoreAccess } from '../offline-messages/store-access.js';
import { conversationOf, directionOf } from '../protocol/conversation.js';
import { isPseudonym, pseudonymOf } from '../protocol/pseudonym.js';
import type { Authored, OpenErasure } from './erasure.table.js';

/** Messages of one step, and after how many bytes of content it ends: it should take a few milliseconds. */
const STEP_MESSAGES = 100;
const STEP_BYTES = 1024 * 1024;
/** Conversations that are looked up at once. */
const CONVERSATIONS_AT_ONCE = 200;

const RECORD = 'holdfast_record';
const MEMBERS = 'holdfast_member';
const USERS = 'holdfast_record_user';
/** Nothing is changed once the erasure is done: by then the name may be somebody else's. */
const IS_OPEN = 'EXISTS (SELECT 1 FROM holdfast_erasure WHERE holdfast_erasure.id = ?)';
/** A message that waits was accepted after the mailboxes were emptied, so it is a new one. */
const IS_WAITING = `EXISTS (SELECT 1 FROM holdfast_offline_message m
  WHERE m.sender = r.sender AND m.id = r.id AND m.recipient = r.recipient)`;
const IS_EMPTY = `NOT EXISTS (SELECT 1 FROM ${RECORD} r WHERE r.conversation = ${MEMBERS}.conversation)`;

/** One conversation of the user. */
interface Found {
  readonly conversation: string;
  readonly peer: string;
  readonly newest: number;
}

/** The conversation that takes its place, and the name that takes the user's. */
interface Successor {
  readonly conversation: string;
  readonly pseudonym: string;
  /** 1 when the names stand in the other order now: a position is odd when the greater name has sent it. */
  readonly turned: 0 | 1;
}

/**
 * Takes a user out of the record. The other side of each conversation keeps its messages in their order, with a
 * pseudonym in place of the user. A conversation that has no other side left is deleted. Each step can be repeated, so
 * that it goes on after a crash, and two nodes that do it at once do no harm.
 */
export class RecordErasure {
  constructor(private readonly access: StoreAccess) {}

  /** Returns how many recorded messages it has changed or deleted. Rejects with STORE_UNAVAILABLE. */
  async run(erasure: OpenErasure, now: number): Promise<number> {
    const { records: drawn } = await this.query<{ lastNumber: number }>(
      `SELECT "lastNumber" FROM ${USERS} WHERE name = ?`,
      [erasure.user],
    );
    if (!drawn[0]) return 0; // Nothing was ever recorded.
    let changed = 0;
    for await (const found of this.conversationsOf(erasure.user)) {
      changed += await this.erase(erasure, found, now);
    }
    await this.forget(erasure, drawn[0].lastNumber);
    return changed;
  }

  private async *conversationsOf(user: string): AsyncGenerator<Found> {
    for (let after: Found = { conversation: '', peer: '', newest: 0 }; ;) {
      const { records } = await this.query<Found>(
        `SELECT conversation, peer, newest FROM ${MEMBERS}
         WHERE "user" = ? AND (newest, conversation) > (?, ?) ORDER BY newest, conversation LIMIT ?`,
        [user, after.newest, after.conversation, CONVERSATIONS_AT_ONCE],
      );
      yield* records;
      if (records.length < CONVERSATIONS_AT_ONCE) return;
      after = records.at(-1)!;
    }
  }

  private async erase({ id, user, authored }: OpenErasure, found: Found, now: number): Promise<number> {
    const { conversation, peer, newest } = found;
    let changed = 0;
    if (peer === user || isPseudonym(peer)) {
      for await (const positions of this.steps(conversation)) changed += await this.remove(id, conversation, positions);
    } else {
      const successor = successorOf(id, user, peer);
      const blankedAt = authored === 'blank' ? now : null;
      for await (const positions of this.steps(conversation)) {
        changed += await this.move(id, user, found, successor, positions, blankedAt);
      }
      await this.join(id, found, successor, authored);
    }
    await this.query(
      `DELETE FROM ${MEMBERS} WHERE conversation = ? AND newest <= CAST(? AS bigint) AND ${IS_EMPTY} AND ${IS_OPEN}`,
      [conversation, newest, id],
    );
    return changed;
  }

  /** Yields where the messages of a conversation stand, some at a time. */
  private async *steps(conversation: string): AsyncGenerator<readonly number[]> {
    for (let after = 0; ;) {
      const { records } = await this.query<{ place: number; bytes: number }>(
        `SELECT r.position AS place, ${this.access.statements.dialect.contentBytes} AS bytes FROM ${RECORD} r
         WHERE r.conversation = ? AND r.position > ? AND NOT ${IS_WAITING} ORDER BY r.position LIMIT ${STEP_MESSAGES}`,
        [conversation, after],
      );
      let bytes = 0;
      const step = records.filter((message) => {
        const fits = bytes < STEP_BYTES;
        bytes += message.bytes;
        return fits;
      });
      if (step.length === 0) return;
      yield step.map(({ place }) => place);
      after = step.at(-1)!.place;
    }
  }

  private async remove(id: string, conversation: string, positions: readonly number[]): Promise<number> {
    const { affected } = await this.query(
      `DELETE FROM ${RECORD} WHERE conversation = ? AND position IN (
         SELECT CAST(value->>0 AS bigint) FROM ${this.access.statements.dialect.items}) AND ${IS_OPEN}`,
      [conversation, itemsOf(positions), id],
    );
    return affected;
  }

  /** Moves messages to the other conversation. With `blankedAt`, what the user has written is emptied. */
  private async move(
    id: string,
    user: string,
    { conversation }: Found,
    successor: Successor,
    positions: readonly number[],
    blankedAt: number | null,
  ): Promise<number> {
    const { affected } = await this.query(
      `UPDATE ${RECORD} SET conversation = place, position = ${turnedSql('position')},
         sender = CASE WHEN sender = erased THEN pseudonym ELSE sender END,
         recipient = CASE WHEN recipient = erased THEN pseudonym ELSE recipient END,
         content = CASE WHEN sender = erased AND at IS NOT NULL THEN '' ELSE content END,
         meta = CASE WHEN sender = erased AND at IS NOT NULL THEN NULL ELSE meta END,
         "erasedAt" = CASE WHEN sender = erased AND at IS NOT NULL THEN at ELSE "erasedAt" END
       FROM (SELECT CAST(? AS varchar) AS place, CAST(? AS varchar) AS erased, CAST(? AS varchar) AS pseudonym,
         CAST(? AS bigint) AS turned, CAST(? AS bigint) AS at) AS given
       WHERE conversation = ? AND position IN (
         SELECT CAST(value->>0 AS bigint) FROM ${this.access.statements.dialect.items}) AND ${IS_OPEN}`,
      [
        successor.conversation,
        user,
        successor.pseudonym,
        successor.turned,
        blankedAt,
        conversation,
        itemsOf(positions),
        id,
      ],
    );
    return affected;
  }

  /**
   * The other side is a member of the new conversation, as far as it had come in the old one. What was emptied counts as
   * read: unread messages are counted in the index, which does not know it.
   */
  private async join(
    id: string,
    { conversation, peer }: Found,
    { conversation: place, pseudonym, turned }: Successor,
    authored: Authored,
  ): Promise<void> {
    await this.query(
      `INSERT INTO ${MEMBERS} (conversation, "user", peer, newest, delivered, "read")
       SELECT place, m."user", pseudonym, last.newest, ${turnedSql('m.delivered')},
         CASE WHEN authored = 'blank' THEN last.newest ELSE ${turnedSql('m."read"')} END
       FROM (SELECT CAST(? AS varchar) AS place, CAST(? AS varchar) AS pseudonym, CAST(? AS bigint) AS turned,
         CAST(? AS varchar) AS authored) AS given
       CROSS JOIN ${MEMBERS} m CROSS JOIN (SELECT MAX(position) AS newest FROM ${RECORD} WHERE conversation = ?) AS last
       WHERE m.conversation = ? AND m."user" = ? AND last.newest IS NOT NULL AND ${IS_OPEN}
       ON CONFLICT (conversation, "user") DO UPDATE SET newest = excluded.newest,
         "read" = CASE WHEN ? = 'blank' THEN excluded.newest ELSE ${MEMBERS}."read" END`,
      [place, pseudonym, turned, authored, place, conversation, peer, id, authored],
    );
  }

  /** Forgets the numbers of `sync`, unless there is something new already: then a cursor of before is too old. */
  private async forget({ id, user }: OpenErasure, lastNumber: number): Promise<void> {
    const { affected } = await this.query(
      `DELETE FROM ${USERS} WHERE name = ? AND "lastNumber" = CAST(? AS bigint)
       AND NOT EXISTS (SELECT 1 FROM ${RECORD} WHERE sender = ${USERS}.name)
       AND NOT EXISTS (SELECT 1 FROM ${RECORD} WHERE recipient = ${USERS}.name) AND ${IS_OPEN}`,
      [user, lastNumber, id],
    );
    if (affected > 0) return;
    await this.query(
      `UPDATE ${USERS} SET "keptFrom" = CAST(? AS bigint) WHERE name = ? AND "keptFrom" < CAST(? AS bigint) AND ${IS_OPEN}`,
      [lastNumber, user, lastNumber, id],
    );
  }

  private async query<Row>(sql: string, parameters: unknown[]): Promise<{ records: Row[]; affected: number }> {
    return this.access.changeInTurn(() => this.access.statements.query<Row>(sql, parameters));
  }
}

/** The pseudonym is another one in each conversation, and leads nobody to the user once the id is forgotten. */
function successorOf(id: string, user: string, peer: string): Successor {
  const pseudonym = pseudonymOf(hash('sha256', `${id}\n${peer}`, 'base64url').slice(0, 22));
  const turned = directionOf(user, peer) === directionOf(pseudonym, peer) ? 0 : 1;
  return { conversation: conversationOf(pseudonym, peer), pseudonym, turned };
}

/** SQL for a position in the new conversation: `turned` changes its direction. */
function turnedSql(position: string): string {
  return `${position} + turned * (1 - 2 * (${position} % 2))`;
}

function itemsOf(positions: readonly number[]): string {
  return JSON.stringify(positions.map((position) => [position]));
}
