import { Inject, Injectable } from '@nestjs/common';
import { Erasures, type ErasureResult } from '../admin/erasures.js';
import { WholeChat } from '../admin/whole-chat.js';
import type { ConnectionInfo } from '../connections/connection-info.js';
import { Delivery } from '../delivery/delivery.js';
import type { StoredMessage } from '../delivery/mailbox-store.js';
import { sendAndWait } from '../delivery/send-and-wait.js';
import type { OutgoingMessage } from '../outgoing/outgoing-message.js';
import { OutgoingService, type ScheduledMessage, type TransactionManager } from '../outgoing/outgoing.service.js';
import { ChatError, errors } from '../protocol/chat-error.js';
import { toChatMessage, type ChatMessage } from '../protocol/chat-message.js';
import type { Receipt } from '../protocol/message.js';
import {
  checkBroadcast,
  checkId,
  checkName,
  checkSend,
  type CheckedRequest,
  type SendRequest,
} from '../protocol/send-request.js';
import { checkSignal, type SignalRequest } from '../protocol/signal.js';
import { checkConversations, checkHistory, checkPeer, checkRead, checkSync } from '../protocol/record-request.js';
import { RecordService } from '../record/record.service.js';
import { conversationsOf, historyOf, syncOf } from '../record/record-wire.js';
import { ChatException } from './chat-exception.js';
import {
  toPastMessage,
  type ChatConversations,
  type ChatHistory,
  type ChatSync,
  type HistoryQuery,
} from './chat-record.js';

/** A message that waits in the store. */
export interface PendingMessage extends ChatMessage {
  /** In milliseconds since 1970. */
  readonly storedAt: number;
}

/** The most messages of one page. */
const MAX_PAGE = 1_000;

/** The chat, for the application around it. What is sent here is not subject to `authorize` or to rate limits. */
@Injectable()
export class ChatService {
  constructor(
    @Inject(Delivery) private readonly delivery: Delivery,
    @Inject(WholeChat) private readonly chat: WholeChat,
    @Inject(OutgoingService) private readonly outgoingService: OutgoingService,
    @Inject(RecordService) private readonly record: RecordService,
    @Inject(Erasures) private readonly erasures: Erasures,
  ) {
    erasures.before((user) => outgoingService.removeOf(user));
  }

  /**
   * Sends a direct message. Resolves with its receipt when the recipient has confirmed it or it is on the disk, or, with
   * a `ttl` of 0, when it is `absent`. Rejects with a ChatException, which says whether the same request may succeed
   * later.
   *
   * It is not part of a database transaction: what is sent before a rollback stays sent. Inside of one, use
   * `sendInTransaction`.
   */
  async send(request: SendRequest & { readonly to: string }): Promise<Receipt> {
    return this.submit(() => checkSend(request, checkName(request.from, 'from')));
  }

  /**
   * Makes a direct message part of a transaction of the application: if that is committed, the message is accepted,
   * whatever dies in between; if it is rolled back, nothing was sent. `manager` is the one that the callback of
   * TypeORM's `transaction()` gets. Returns the message's id.
   *
   * The message is accepted at least once, with the same id, which the chat recognises while it remembers it. A second
   * one with this sender, recipient and id is ignored while the first waits. Messages of one sender to one recipient
   * keep the order in which they were inserted. A message that can't be accepted for now is tried again; one that never
   * can is told by the event `refused`.
   *
   * Rejects before it inserts anything, so that the transaction fails there: with a ChatException when the message is
   * not valid, or with STORE_UNAVAILABLE when 100,000 wait; with an Error when the option `outgoing` is not given, or
   * the manager has no open transaction. Errors of the database are those of TypeORM.
   */
  async sendInTransaction(manager: TransactionManager, message: OutgoingMessage): Promise<string> {
    return orException(() => this.outgoingService.insert(manager, message));
  }

  /**
   * Deletes a message with `notBefore` that is not due yet; returns whether it was still there. With a manager that is
   * part of its transaction.
   */
  async cancelScheduled(message: ScheduledMessage, manager?: TransactionManager): Promise<boolean> {
    return orException(() => this.outgoingService.cancel(message, manager));
  }

  /**
   * Writes to everybody who is connected, and stores nothing. The receipt says to how many connections it was written,
   * or for how many it is kept behind a backlog.
   */
  async broadcast(request: Pick<SendRequest, 'from' | 'content' | 'id' | 'meta'>): Promise<Receipt> {
    return this.submit(() => checkBroadcast(request, checkName(request.from, 'from')));
  }

  /**
   * Tells a user something that counts only now, such as `composing`, and stores nothing. It goes to the JSON
   * connections that the user has now, at most once. Returns to how many it was written; rejects with a ChatException
   * if the signal is not valid.
   */
  async signal(request: SignalRequest): Promise<number> {
    return orException(async () => this.delivery.signal(checkSignal(request, checkName(request.from, 'from'))));
  }

  /** Whether a user has an open connection; rejects with a ChatException if the name is not valid. */
  async isOnline(user: string): Promise<boolean> {
    return orException(async () => this.chat.isOnline(checkName(user, 'user')));
  }

  /** Returns the open connections of a user, oldest first; rejects with a ChatException if the name is not valid. */
  async connections(user: string): Promise<ConnectionInfo[]> {
    return orException(async () => this.chat.connectionsOf(checkName(user, 'user')));
  }

  /** How many messages wait for a user in the store; rejects with STORE_UNAVAILABLE if it cannot be read. */
  async pending(user: string): Promise<number> {
    return orException(async () => this.delivery.pendingOf(checkName(user, 'user')));
  }

  /**
   * Returns what waits for a user, in order, and leaves it there: `limit` messages at most (1 to 1,000; 100 by default),
   * and none after the one that brings their content to 16 MiB. The next page comes with `after: next`; `next` is null
   * on the last page. What is delivered meanwhile is not listed any more. Rejects with STORE_UNAVAILABLE if the store
   * cannot be read.
   */
  async messages(
    user: string,
    page: { limit?: number; after?: number } = {},
  ): Promise<{ items: PendingMessage[]; next: number | null }> {
    return orException(async () => {
      const name = checkName(user, 'user');
      const { limit = 100, after = 0 } = page;
      checkWhole(limit, 'limit', 1, MAX_PAGE);
      checkWhole(after, 'after', 0, Number.MAX_SAFE_INTEGER);
      const { rows, next } = await this.chat.waiting(name, after, limit);
      return { items: rows.map(toPendingMessage), next };
    });
  }

  /**
   * Deletes what waits for a user, or only the message that one sender has sent with this id. Returns how many messages
   * were deleted; they end as `purged`. What is on its way to a connection already can still arrive. Rejects with
   * STORE_UNAVAILABLE while the store fails; what it had found by then is deleted as soon as the store works again.
   */
  async purge(user: string, one?: { from: string; id: string }): Promise<number> {
    return orException(async () => {
      const name = checkName(user, 'user');
      if (one === undefined) return this.chat.purge(name);
      const id = checkId(one.id);
      if (id === undefined) throw errors.badField('id', 'is missing');
      return this.chat.purge(name, { from: checkName(one.from, 'from'), id });
    });
  }

  /**
   * Returns when something last came from a user, in milliseconds since 1970; null if that was longer ago than
   * `retentionMs`, or never. It is kept over a restart. A kill of the process loses who left in the last minute, and
   * what is known of those who were connected. Rejects with STORE_UNAVAILABLE if the store cannot be read.
   */
  async lastSeen(user: string): Promise<number | null> {
    return orException(async () => (await this.chat.seenOf(checkName(user, 'user'))).lastSeenAt);
  }

  /**
   * Returns a page of a recorded conversation, oldest first: the newest messages, or those before or after a position.
   * It ends at 1 MiB of content. Rejects with a ChatException: NOT_RECORDED when the option `record` is off,
   * STORE_UNAVAILABLE if the store cannot be read.
   */
  async history(user: string, query: HistoryQuery): Promise<ChatHistory> {
    return orException(async () => {
      const page = await this.record.history(checkName(user, 'user'), checkHistory(query));
      return historyOf(page, toPastMessage);
    });
  }

  /**
   * Returns what was recorded for a user since a cursor, in all conversations, received and sent: `limit` messages at
   * most (1 to 200; 50 by default). Without a cursor, or with one that is too old or not known, it has no messages, only
   * the cursor of now. Rejects as `history` does.
   */
  async sync(user: string, query: { after?: string; limit?: number } = {}): Promise<ChatSync> {
    return orException(async () => {
      const page = await this.record.sync(checkName(user, 'user'), checkSync(query));
      return syncOf(page, toPastMessage);
    });
  }

  /**
   * Returns the recorded conversations of a user, the newest first: `limit` of them at most (1 to 200; 50 by default).
   * Rejects as `history` does.
   */
  async conversations(user: string, query: { before?: string; limit?: number } = {}): Promise<ChatConversations> {
    return orException(async () => {
      const page = await this.record.conversations(checkName(user, 'user'), checkConversations(query));
      return conversationsOf(page, toPastMessage);
    });
  }

  /**
   * Returns how many recorded messages a user has not read, of one conversation or of all together; 1,000 stands for
   * that and more. Rejects as `history` does.
   */
  async unread(user: string, peer?: string): Promise<number> {
    return orException(async () =>
      this.record.unread(checkName(user, 'user'), peer === undefined ? undefined : checkPeer(peer)),
    );
  }

  /**
   * A user has read a conversation up to a position. Resolves when that is committed; then the other side and the
   * connections of the user are told. A position before the mark changes nothing, and one behind the newest message
   * counts as that. Rejects as `history` does.
   */
  async markRead(user: string, mark: { with: string; upTo: string }): Promise<void> {
    return orException(async () => {
      const { with: peer, upTo } = checkRead(mark);
      await this.record.markRead(checkName(user, 'user'), peer, upTo);
    });
  }

  /**
   * Closes the connections of a user with 4403, after which clients do not reconnect by themselves. Returns how many
   * were open; rejects with a ChatException if the name is not valid.
   */
  async disconnect(user: string, reason = 'disconnected by the application'): Promise<number> {
    return orException(async () => this.chat.disconnect(checkName(user, 'user'), reason));
  }

  /**
   * Erases a user: closes the connections with 4403, removes what waits from and to the user, outgoing messages too, and
   * takes the user out of the record, where others keep their conversations with a pseudonym. With `authored: 'blank'`
   * what the user has written is emptied; with `keep` it stays readable for those it was written to. This can't be
   * undone, and what `keep` has kept can't be found again.
   *
   * Resolves when it is done, with what was changed. After 10 s it resolves with `done: false`, and goes on by itself,
   * also after a restart; the event `erased` tells when it is done. Rejects with a ChatException if the name is not
   * valid, or with STORE_UNAVAILABLE when the store can't note it; then nothing has happened.
   */
  async erase(user: string, { authored }: { readonly authored: 'blank' | 'keep' }): Promise<ErasureResult> {
    return orException(async () => {
      if (authored !== 'blank' && authored !== 'keep') throw errors.badField('authored', "has to be 'blank' or 'keep'");
      return this.erasures.erase(checkName(user, 'user'), authored);
    });
  }

  /**
   * Yields all that is stored of a user, as lines of JSON, each with a line feed: the user, what waits, the
   * conversations, and the recorded messages in both directions. It is read while the lines are taken, so that
   * `Readable.from(chat.export(user))` never has more than a page in memory. It is not a snapshot. Throws a
   * ChatException if the name is not valid, or when the store cannot be read.
   */
  async *export(user: string): AsyncGenerator<string> {
    const lines = await orException(async () => this.chat.export(checkName(user, 'user')));
    try {
      yield* lines;
    } catch (error) {
      throw error instanceof ChatError ? ChatException.of(error) : error;
    }
  }

  private submit(check: () => CheckedRequest): Promise<Receipt> {
    return orException(async () => (await sendAndWait(this.delivery, check())).receipt);
  }
}

/** Inside the chat a refusal is a ChatError, which knows nothing of HTTP. */
async function orException<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof ChatError ? ChatException.of(error) : error;
  }
}

function toPendingMessage({ id, from, to, content, sentAt, storedAt, extras }: StoredMessage): PendingMessage {
  return { ...toChatMessage({ id, from, to, content, sentAt, extras }), storedAt };
}

function checkWhole(given: number, field: string, least: number, most: number): void {
  if (Number.isInteger(given) && given >= least && given <= most) return;
  throw errors.badField(field, `has to be a whole number from ${least} to ${most}`);
}
