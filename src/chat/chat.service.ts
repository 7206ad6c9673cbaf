import { Inject, Injectable } from '@nestjs/common';
import { WholeChat } from '../admin/whole-chat.js';
import type { ConnectionInfo } from '../connections/connection-info.js';
import { Delivery } from '../delivery/delivery.js';
import type { StoredMessage } from '../delivery/mailbox-store.js';
import { sendAndWait } from '../delivery/send-and-wait.js';
import { OfflineMessageService } from '../offline-messages/offline-message.service.js';
import type { OutgoingMessage } from '../outgoing/outgoing-message.js';
import { OutgoingService, type ScheduledMessage, type TransactionManager } from '../outgoing/outgoing.service.js';
import { ChatError, errors } from '../protocol/chat-error.js';
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
import { toChatMessage, type ChatMessage } from './chat-events.js';
import { ChatException } from './chat-exception.js';

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
    @Inject(OfflineMessageService) private readonly offlineMessages: OfflineMessageService,
  ) {}

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
      const { rows, next } = await this.offlineMessages.lists.page(name, after, limit);
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
   * Closes the connections of a user with 4403, after which clients do not reconnect by themselves. Returns how many
   * were open; rejects with a ChatException if the name is not valid.
   */
  async disconnect(user: string, reason = 'disconnected by the application'): Promise<number> {
    return orException(async () => this.chat.disconnect(checkName(user, 'user'), reason));
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
