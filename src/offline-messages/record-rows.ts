import { conversationOf } from '../protocol/conversation.js';
import type { Message } from '../protocol/message.js';
import type { Fence } from './fence.js';
import type { MovedMark } from '../protocol/news.js';
import type { AskedMark } from './pending-marks.js';
import type { Statements } from './statements.js';
import { Displaced } from './store-fault.js';

const RECORD = 'holdfast_record';
const MEMBERS = 'holdfast_member';
const USERS = 'holdfast_record_user';
const COLUMNS = `conversation, position, sender, recipient, id, content, meta, "sentAt", "senderNumber", "recipientNumber"`;
const VALUES = `value->>0, ${whole(1)}, value->>2, value->>3, value->>4, value->>5, value->>6, ${whole(7)}, ${whole(8)}, ${whole(9)}`;

/** A row of the record whose commit was reported as failed. */
export interface RecordKey {
  readonly from: string;
  readonly to: string;
  readonly id: string;
  readonly position: number;
}

interface MarkRow {
  readonly user: string;
  readonly with: string;
  readonly delivered: number | null;
  readonly read: number | null;
}

/** Identifies a message in the record. No name and no id has a line feed. */
export function recordKeyText({ from, to, id }: Omit<RecordKey, 'position'>): string {
  return `${from}\n${to}\n${id}`;
}

/** The SQL that writes the record. Only the commit queue calls it, in one transaction with what belongs together. */
export class RecordRows {
  constructor(
    private readonly statements: Statements,
    private readonly fence: Fence,
  ) {}

  /** Commits what the work writes together, or nothing of it. */
  together<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.statements.together(work);
  }

  /**
   * Inserts messages at their positions, except those that the record has already. Returns how many were inserted, and
   * where messages stand, by `recordKeyText`: all of them, or none when each was inserted. The marks are those that the
   * same transaction moves then. Rejects, also when another message has a position already.
   */
  async insert(
    messages: readonly Message[],
    marks: readonly AskedMark[],
  ): Promise<{ added: number; found: ReadonlyMap<string, number> }> {
    const numbers = await this.draw(messages);
    await this.lock(messages, marks);
    const next = (user: string): number => {
      const number = numbers.get(user)! + 1;
      numbers.set(user, number);
      return number;
    };
    const rows = messages.map(({ from, to, id, content, sentAt, extras }) => {
      const received = next(to);
      const sent = from === to ? received : next(from);
      const text = this.statements.dialect.toColumn(content);
      return [
        conversationOf(from, to),
        extras!.position,
        from,
        to,
        id,
        text,
        extras!.meta ?? null,
        sentAt,
        sent,
        received,
      ];
    });
    const { affected } = await this.statements.query(
      `INSERT INTO ${RECORD} (${COLUMNS}) SELECT ${VALUES} FROM ${this.items} WHERE true
       ON CONFLICT (sender, id, recipient) DO NOTHING`,
      [JSON.stringify(rows)],
    );
    const found = affected === messages.length ? new Map<string, number>() : await this.positionsOf(messages);
    const isNew = (message: Message) => found.get(recordKeyText(message)) === message.extras!.position;
    await this.join(found.size === 0 ? messages : messages.filter(isNew));
    return { added: affected, found };
  }

  /**
   * Draws a number for each message of each user. Two homes draw in the same order, so that neither waits for the other
   * for ever. Returns the number before the first that was drawn.
   */
  private async draw(messages: readonly Message[]): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    for (const { from, to } of messages) {
      for (const user of from === to ? [to] : [from, to]) counts.set(user, (counts.get(user) ?? 0) + 1);
    }
    const asked = [...counts].sort(([one], [other]) => (one < other ? -1 : 1));
    const { records } = await this.statements.query<{ name: string; lastNumber: number }>(
      `WITH asked AS (SELECT value->>0 AS member, ${whole(1)} AS count FROM ${this.items})
       INSERT INTO ${USERS} (name, "lastNumber", "keptFrom") SELECT member, count, 0 FROM asked WHERE ${this.fence.sql}
       ON CONFLICT (name) DO UPDATE SET "lastNumber" = ${USERS}."lastNumber" + excluded."lastNumber"
       RETURNING name, "lastNumber"`,
      [JSON.stringify(asked), this.fence.value],
    );
    if (records.length < asked.length) throw new Displaced();
    return new Map(records.map(({ name, lastNumber }) => [name, lastNumber - counts.get(name)!]));
  }

  /**
   * Locks the members that the transaction changes, in the same order on each home: one that inserts into the
   * conversation in which another moves a mark, and the other way round, would wait for each other. Without marks
   * the insert has that order.
   */
  async lock(messages: readonly Message[], marks: readonly AskedMark[]): Promise<void> {
    const { forUpdate } = this.statements.dialect;
    if (forUpdate === '' || marks.length === 0) return;
    const members = new Map(marks.map(({ user, peer }) => [memberKey(user, peer), [conversationOf(user, peer), user]]));
    for (const [key, [conversation, user]] of membersOf(messages)) members.set(key, [conversation, user]);
    const asked = inOrder(members).map((member, index) => [...member, index]);
    await this.statements.query(
      `WITH asked AS (SELECT value->>0 AS name, value->>1 AS member, ${whole(2)} AS place FROM ${this.items})
       SELECT 1 AS found FROM asked JOIN ${MEMBERS} m ON m.conversation = name AND m."user" = member
       ORDER BY place ${forUpdate}`,
      [JSON.stringify(asked)],
    );
  }

  private async positionsOf(messages: readonly Message[]): Promise<Map<string, number>> {
    const { records } = await this.statements.query<RecordKey>(
      `WITH wanted AS (SELECT value->>0 AS author, value->>1 AS reader, value->>2 AS name FROM ${this.items})
       SELECT sender AS "from", recipient AS "to", id, position FROM wanted JOIN ${RECORD}
       ON sender = author AND id = name AND recipient = reader`,
      [JSON.stringify(messages.map(({ from, to, id }) => [from, to, id]))],
    );
    return new Map(records.map((row) => [recordKeyText(row), row.position]));
  }

  /** Both sides of each conversation are members of it, and know its newest position. */
  private async join(messages: readonly Message[]): Promise<void> {
    const members = membersOf(messages);
    if (members.size === 0) return;
    await this.statements.query(
      `INSERT INTO ${MEMBERS} (conversation, "user", peer, newest)
       SELECT value->>0, value->>1, value->>2, ${whole(3)} FROM ${this.items} WHERE true
       ON CONFLICT (conversation, "user") DO UPDATE SET newest = excluded.newest WHERE excluded.newest > ${MEMBERS}.newest`,
      [JSON.stringify(inOrder(members))],
    );
  }

  /** Moves marks forward, `read` to the newest message at most; returns those that have moved. */
  async move(marks: readonly AskedMark[]): Promise<MovedMark[]> {
    const { records } = await this.statements.query<MarkRow>(
      `WITH asked AS (SELECT value->>0 AS place, value->>1 AS member, ${whole(2)} AS got, ${whole(3)} AS seen FROM ${this.items})
       UPDATE ${MEMBERS} SET
         delivered = CASE WHEN got > COALESCE(delivered, 0) THEN got ELSE delivered END,
         "read" = CASE WHEN seen > newest AND newest > COALESCE("read", 0) THEN newest
                       WHEN seen <= newest AND seen > COALESCE("read", 0) THEN seen ELSE "read" END
       FROM asked WHERE conversation = place AND "user" = member AND ${this.fence.sql}
         AND (got > COALESCE(delivered, 0) OR (seen > COALESCE("read", 0) AND newest > COALESCE("read", 0)))
       RETURNING "user", peer AS "with", delivered, "read"`,
      [
        JSON.stringify(
          marks.map(({ user, peer, delivered, read }) => [conversationOf(user, peer), user, delivered, read]),
        ),
        this.fence.value,
      ],
    );
    const asked = new Map(marks.map((mark) => [`${mark.user}\n${mark.peer}`, mark]));
    return records.map(({ user, with: peer, delivered, read }) => {
      const mark = asked.get(`${user}\n${peer}`);
      return {
        user,
        with: peer,
        ...(mark?.delivered != null && delivered !== null && { delivered }),
        ...(mark?.read != null && read !== null && { read }),
      };
    });
  }

  /**
   * Deletes rows whose commit was reported as failed, and whose senders were refused. A device may have read them
   * meanwhile, on another node: no cursor of their users is complete any more, so that it begins anew.
   */
  remove(rows: readonly RecordKey[]): Promise<void> {
    const places = JSON.stringify(rows.map(({ from, to, position }) => [conversationOf(from, to), position]));
    return this.together(async () => {
      const { records } = await this.statements.query<{ sender: string; recipient: string }>(
        `SELECT sender, recipient FROM ${RECORD} WHERE (conversation, position) IN (SELECT value->>0, ${whole(1)} FROM ${this.items})`,
        [places],
      );
      if (records.length === 0) return;
      // In the order in which others draw numbers, and before the rows are locked, as they do.
      const users = [...new Set(records.flatMap(({ sender, recipient }) => [sender, recipient]))].sort();
      await this.statements.query(
        `INSERT INTO ${USERS} (name, "lastNumber", "keptFrom") SELECT value->>0, 1, 1 FROM ${this.items} WHERE ${this.fence.sql}
         ON CONFLICT (name) DO UPDATE SET "lastNumber" = ${USERS}."lastNumber" + 1, "keptFrom" = ${USERS}."lastNumber" + 1`,
        [JSON.stringify(users.map((user) => [user])), this.fence.value],
      );
      await this.statements.query(
        `DELETE FROM ${RECORD} WHERE (conversation, position) IN (SELECT value->>0, ${whole(1)} FROM ${this.items}) AND ${this.fence.sql}`,
        [places, this.fence.value],
      );
    });
  }

  /** Returns the highest position in the record; 0 in an empty one. */
  async lastPosition(): Promise<number> {
    const { records } = await this.statements.query<{ position: number }>(
      `SELECT COALESCE(MAX(position), 0) AS position FROM ${RECORD}`,
      [],
    );
    return records[0]!.position;
  }

  private get items(): string {
    return this.statements.dialect.items;
  }
}

type Member = readonly [conversation: string, user: string, peer: string, newest: number];

function memberKey(user: string, peer: string): string {
  return `${conversationOf(user, peer)}\n${user}`;
}

/** Returns both sides of the conversations of these messages, with the newest position of each. */
function membersOf(messages: readonly Message[]): Map<string, Member> {
  const members = new Map<string, Member>();
  for (const { from, to, extras } of messages) {
    const conversation = conversationOf(from, to);
    const newest = Math.max(extras!.position!, members.get(memberKey(from, to))?.[3] ?? 0);
    members.set(memberKey(from, to), [conversation, from, to, newest]);
    members.set(memberKey(to, from), [conversation, to, from, newest]);
  }
  return members;
}

function inOrder<Item>(items: ReadonlyMap<string, Item>): Item[] {
  return [...items].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, item]) => item);
}

/** SQL for the item of a row's array at this index, as an integer. */
function whole(index: number): string {
  return `CAST(value->>${index} AS bigint)`;
}
