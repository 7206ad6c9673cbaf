import type { OfflineMessageService } from '../offline-messages/offline-message.service.js';
import type { StoreAccess } from '../offline-messages/store-access.js';
import { toIsoTime } from '../protocol/message.js';
import { positionText } from '../protocol/position.js';
import { RecordTable, type NumberedMessage } from './record.table.js';

/** What is read at once. */
const PAGE = 200;

const MEMBERS = 'holdfast_member';

/** A message that waits. */
type Waiting = Awaited<ReturnType<OfflineMessageService['lists']['page']>>['rows'][number];

/** One side of a conversation, as it is exported. */
interface Membership {
  readonly conversation: string;
  readonly with: string;
  readonly newest: number;
  readonly delivered: number | null;
  readonly read: number | null;
}

/**
 * All that is stored of a user, as lines of JSON. It is read page by page, between two commits, as fast as the lines are
 * taken. It is not a snapshot: what comes meanwhile may be in it.
 */
export class UserExport {
  private readonly access: StoreAccess;
  private readonly record: RecordTable;

  constructor(private readonly store: Pick<OfflineMessageService, 'access' | 'lists'>) {
    this.access = store.access;
    this.record = new RecordTable(store.access.statements);
  }

  /** Each line ends with a line feed. Rejects with STORE_UNAVAILABLE when the store can't be read. */
  async *lines(user: string, lastSeenAt: number | null): AsyncGenerator<string> {
    yield lineOf('user', { user, lastSeenAt: lastSeenAt === null ? null : toIsoTime(lastSeenAt) });
    for await (const message of this.waiting(user)) yield lineOf('waiting', waitingOf(message));
    for await (const membership of this.memberships(user)) yield lineOf('conversation', conversationOf(membership));
    for await (const message of this.recorded(user)) yield lineOf('message', messageOf(message));
  }

  private async *waiting(user: string): AsyncGenerator<Waiting> {
    for (let after: number | null = 0; after !== null;) {
      const page: { rows: readonly Waiting[]; next: number | null } = await this.store.lists.page(user, after, PAGE);
      yield* page.rows;
      after = page.next;
    }
  }

  /** The one with the newest message is the last: one that gets another message meanwhile is not left out. */
  private async *memberships(user: string): AsyncGenerator<Membership> {
    for (let after = { conversation: '', newest: 0 }; ;) {
      const { conversation, newest } = after;
      const { records } = await this.access.inTurn(() =>
        this.access.statements.query<Membership>(
          `SELECT conversation, peer AS "with", newest, delivered, "read" FROM ${MEMBERS}
           WHERE "user" = ? AND (newest, conversation) > (?, ?) ORDER BY newest, conversation LIMIT ?`,
          [user, newest, conversation, PAGE],
        ),
      );
      yield* records;
      if (records.length < PAGE) return;
      after = records.at(-1)!;
    }
  }

  /** Both directions, in the order of the commits. */
  private async *recorded(user: string): AsyncGenerator<NumberedMessage> {
    for (let after = 0; ;) {
      const begun = after;
      const { rows, hasMore } = await this.access.inTurn(() => this.record.since(user, begun, PAGE));
      yield* rows;
      if (!hasMore) return;
      after = rows.at(-1)!.number;
    }
  }
}

function lineOf(type: string, fields: object): string {
  return `${JSON.stringify({ type, ...fields })}\n`;
}

function waitingOf({ id, from, to, content, sentAt, storedAt, extras = {} }: Waiting): object {
  const { meta, expiresAt, topic, urgency } = extras;
  return {
    id,
    from,
    to,
    content,
    ...metaOf(meta),
    sentAt: toIsoTime(sentAt),
    storedAt: toIsoTime(storedAt),
    ...(expiresAt !== undefined && { expiresAt: toIsoTime(expiresAt) }),
    ...(topic !== undefined && { topic }),
    ...(urgency !== undefined && { urgency }),
  };
}

function conversationOf({ with: peer, newest, delivered, read }: Membership): object {
  const textOf = (position: number | null) => (position === null ? null : positionText(position));
  return { with: peer, newest: textOf(newest), delivered: textOf(delivered), read: textOf(read) };
}

function messageOf({ position, id, from, to, content, meta, sentAt, erasedAt }: NumberedMessage): object {
  return {
    position: positionText(position),
    id,
    from,
    to,
    content,
    ...metaOf(meta),
    sentAt: toIsoTime(sentAt),
    ...(erasedAt !== null && { erasedAt: toIsoTime(erasedAt) }),
  };
}

function metaOf(meta: string | null | undefined): object {
  return meta ? { meta: JSON.parse(meta) as Record<string, unknown> } : {};
}
