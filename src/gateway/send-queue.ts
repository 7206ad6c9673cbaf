import type { Logger } from '@nestjs/common';
import { AsyncResource } from 'node:async_hooks';
import type { Connection } from '../connections/connection.js';
import { Hold } from '../connections/reading.js';
import type { OutcomeListener } from '../delivery/pending-receipt.js';
import type { DeliveryService } from '../delivery/delivery.service.js';
import { ChatError, errors } from '../protocol/chat-error.js';
import { CloseCode } from '../protocol/close-code.js';
import type { Receipt } from '../protocol/message.js';
import type { SendRequest } from '../protocol/send-request.js';
import type { Policy } from './policy.js';
import { RateLimits, type RateOptions } from './rate-limits.js';

/** How much of one connection may wait, in bytes of content [protocol 5]. */
const MAX_WAITING_BYTES = 64 * 1024;
/**
 * How many messages may wait, or `frameBurst` if that is more: as many as these bytes hold with 64 to each. What a client
 * acknowledges comes behind what it sends, so with fewer a sender of many short messages would seem not to receive.
 */
const MAX_WAITING = 1_024;

/** What the queues of all connections share. */
export interface SendQueueContext {
  readonly options: RateOptions;
  readonly delivery: DeliveryService;
  /** Null when the application has none. */
  readonly policy: Policy | null;
  readonly logger: Logger;
}

/**
 * What one connection sends, on its way to delivery, in its order. A message is handed over at once, unless one before it
 * waits, it comes faster than it may, the application has to decide about it first, or the disk can't keep up. What waits
 * is bounded: the socket is not read any more. What was read together with the last of it is beyond that bound.
 *
 * | state     | what the first that waits waits for        |
 * | --------- | ------------------------------------------ |
 * | open      | nothing waits                              |
 * | over rate | its turn: a timer                          |
 * | deciding  | the policy's verdict on the one before it  |
 * | no room   | that the disk has caught up                |
 *
 * It tells its client what becomes of what was sent, and counts at the ledger what is refused.
 */
export class SendQueue implements OutcomeListener {
  /** How fast this connection may send. */
  readonly rateLimits: RateLimits;
  private state: 'open' | 'over rate' | 'deciding' | 'no room' = 'open';
  private waiting: SendRequest[] = [];
  private waitingBytes = 0;
  private cancelTimer: (() => void) | null = null;
  /** Who is told when nothing waits any more. While there is somebody, neither the rate nor the disk holds anything up. */
  private flushed: (() => void)[] | null = null;
  private readonly decide: ((request: SendRequest) => boolean | Promise<boolean>) | null;

  /** To be made in the async context of the upgrade: a policy is asked in it, whatever made a message wait. */
  constructor(
    readonly connection: Connection,
    private readonly context: SendQueueContext,
  ) {
    const { options, policy } = context;
    this.rateLimits = new RateLimits(options);
    this.decide = policy && AsyncResource.bind((request: SendRequest) => policy.decide(request, connection));
  }

  /** Takes what a connection sends, now or when it may be. */
  push(request: SendRequest): void {
    if (this.state === 'open' && this.mayTake()) return this.take(request);
    this.waiting.push(request);
    this.waitingBytes += Buffer.byteLength(request.content);
    if (this.isFull) this.connection.reading.hold(Hold.QUEUE);
  }

  /** Takes all that waits, however fast it came, as the connection ends. Resolves when it is taken, or may not be any more. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      (this.flushed ??= []).push(resolve);
      if (this.state !== 'deciding') this.goOn();
    });
  }

  onReceipt(receipt: Receipt): void {
    this.connection.writeReceipt(receipt);
  }

  onRefused(error: ChatError, id?: string): void {
    this.context.delivery.ledger.countRefusal(error.code);
    this.connection.writeRefusal(error, error.id ?? id);
  }

  /** Tells the client of a refusal. Everything else is a fault of ours: it is logged, and closes the connection. */
  fail(error: unknown): void {
    if (error instanceof ChatError) return this.onRefused(error);
    this.context.logger.error(error);
    this.connection.revoke(CloseCode.SERVER_ERROR, 'the server failed; reconnect later');
  }

  private get isFull(): boolean {
    const most = Math.max(this.context.options.frameBurst, MAX_WAITING);
    return this.waiting.length >= most || this.waitingBytes >= MAX_WAITING_BYTES;
  }

  private mayTake(): boolean {
    if (this.flushed) return true;
    const { delivery, options } = this.context;
    if (delivery.isFull) {
      this.state = 'no room';
      delivery.whenRoom(() => {
        if (this.state === 'no room') this.goOn();
      });
      return false;
    }
    const waitMs = this.rateLimits.takeFrame();
    if (waitMs === 0) return true;
    this.state = 'over rate';
    this.cancelTimer = options.clock.after(waitMs, () => this.goOn());
    return false;
  }

  private goOn(): void {
    this.cancelTimer?.();
    this.cancelTimer = null;
    this.state = 'open';
    if (this.connection.isRevoked) this.drop();
    while (this.state === 'open' && this.waiting.length > 0 && this.mayTake()) {
      const request = this.waiting.shift()!;
      this.waitingBytes -= Buffer.byteLength(request.content);
      this.take(request);
    }
    if (!this.isFull) this.connection.reading.release(Hold.QUEUE);
    if (this.state !== 'open' || !this.flushed) return;
    const { flushed } = this;
    this.flushed = null;
    for (const resolve of flushed) resolve();
  }

  private drop(): void {
    this.waiting = [];
    this.waitingBytes = 0;
  }

  private take(request: SendRequest): void {
    const { connection } = this;
    try {
      // A broadcast has a rate of its own, and is worth nothing later: what is over it does not wait.
      if (request.to === undefined && !this.rateLimits.takeBroadcast()) throw errors.tooManyBroadcasts(request.id);
      const verdict = this.decide === null || this.decide(request);
      if (typeof verdict === 'boolean') return this.settle(request, verdict);
      this.state = 'deciding';
      void verdict.then((allowed) => {
        if (!connection.isRevoked) this.settle(request, allowed);
        this.goOn();
      });
    } catch (error) {
      this.fail(error);
    }
  }

  private settle(request: SendRequest, allowed: boolean): void {
    try {
      if (!allowed) throw errors.notAllowed(request.id);
      this.context.delivery.send(request, this);
    } catch (error) {
      this.fail(error);
    }
  }
}
