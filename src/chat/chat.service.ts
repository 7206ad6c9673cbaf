import { Inject, Injectable } from '@nestjs/common';
import type { ConnectionInfo } from '../connections/connection-info.js';
import { ConnectionService } from '../connections/connection.service.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import { dispatch } from '../delivery/dispatch.js';
import { ChatError as Refusal } from '../protocol/chat-error.js';
import { isMessageId, type Receipt } from '../protocol/message.js';
import { explainUserName, parseUserName } from '../protocol/user-name.js';
import { ChatError } from './chat-error.js';

/** A direct message of the application's. */
export interface DirectMessage {
  readonly from: string;
  readonly to: string;
  readonly content: string;
  /** 1 to 64 of `A-Z a-z 0-9 _ -`; made by the chat unless given. A repeat with the same id is not taken twice. */
  readonly id?: string;
}

/** The chat, for the application it lives in. What is sent here asks no `authorize` and knows no rates. */
@Injectable()
export class ChatService {
  constructor(
    @Inject(DeliveryService) private readonly delivery: DeliveryService,
    @Inject(ConnectionService) private readonly connectionService: ConnectionService,
  ) {}

  /**
   * Sends a direct message; resolves with its receipt, when the recipient has confirmed it or it is on the disk. Rejects
   * with a ChatError that says whether the same may succeed later.
   *
   * It is part of no database transaction: call it after the commit, with an `id` made from the row, so that a repeat does
   * no harm. What is sent before a rollback stays sent.
   */
  async send({ from, to, content, id }: DirectMessage): Promise<Receipt> {
    const message = { from: nameOf(from, 'from'), to: nameOf(to, 'to'), content: textOf(content), id: idOf(id) };
    return (await told(dispatch(this.delivery, message))).receipt;
  }

  /** Writes to everybody who is connected, and stores nothing; resolves with the number of connections written to. */
  async broadcast({ from, content, id }: Omit<DirectMessage, 'to'>): Promise<Receipt> {
    const message = { from: nameOf(from, 'from'), content: textOf(content), id: idOf(id) };
    return (await told(dispatch(this.delivery, message))).receipt;
  }

  isOnline(user: string): boolean {
    return this.connections(user).length > 0;
  }

  /** The open connections of a user, oldest first. */
  connections(user: string): ConnectionInfo[] {
    return this.connectionService.openOf(nameOf(user, 'user')).map((connection) => connection.info());
  }

  /** How many messages wait for a user in the store; rejects with STORE_UNAVAILABLE when it can't be read. */
  async pending(user: string): Promise<number> {
    return told(this.delivery.pendingOf(nameOf(user, 'user')));
  }

  /** Closes the connections of a user with 4403, after which clients do not reconnect by themselves. Returns how many. */
  disconnect(user: string, reason = 'disconnected by the application'): number {
    return this.connectionService.disconnect(nameOf(user, 'user'), reason);
  }
}

/** What the chat refuses, as the application is told of it. */
async function told<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof Refusal ? ChatError.of(error) : error;
  }
}

function nameOf(written: string, field: string): string {
  const name = typeof written === 'string' ? parseUserName(written) : null;
  if (name !== null) return name;
  throw new ChatError('BAD_RECIPIENT', `${explainUserName(written)}; correct "${field}"`);
}

function textOf(content: string): string {
  if (typeof content === 'string' && content.isWellFormed()) return content;
  throw new ChatError('BAD_FRAME', '"content" has to be a string of whole characters');
}

function idOf(id: string | undefined): string | undefined {
  if (id === undefined || isMessageId(id)) return id;
  throw new ChatError('BAD_FRAME', '"id" has to be 1 to 64 of A-Z a-z 0-9 _ -');
}
