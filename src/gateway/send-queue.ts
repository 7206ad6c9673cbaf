import { AsyncResource } from 'node:async_hooks';
import type { Connection } from '../connections/connection.js';
import { Hold } from '../connections/reading.js';
import type { OutcomeListener } from '../delivery/pending-receipt.js';
import type { ChatOptions } from '../options/chat.options.js';
import { ChatError, errors } from '../protocol/chat-error.js';
import { CloseCode } from '../protocol/close-code.js';
import type { Receipt } from '../protocol/message.js';
import { sizeOf, type CheckedRequest } from '../protocol/send-request.js';
import type { Signal } from '../protocol/signal.js';
import type { Decision } from './policy.js';
import { RateLimits, type RateOptions } from './rate-limits.js';
import type { SendContext } from './send-context.js';

/** How many bytes of content may wait in one queue [protocol 5]. */
const MAX_WAITING_BYTES = 64 * 1024;
/**
 * How many messages may wait, or `frameBurst` if that is more: with 64 bytes each they make the bytes above. A client's
 * acks come behind the messages that it sends. With a lower limit, a sender of many short messages would seem not to
 * receive any.
 */
const MAX_WAITING = 1_024;

/** What it needs of the context of all queues. */
export type SendQueueContext = Pick<SendContext, 'delivery' | 'policy' | 'quota' | 'logger'> & {
  readonly options: RateOptions & Pick<ChatOptions, 'record'>;
};

/**
 * The queue of what one connection sends, in its order, on the way to delivery. A message is handed over at once,
 * unless an earlier one waits, it comes too fast, the application has to decide about it first, or the disk cannot keep
 * up. The queue is bounded: when it is full the socket is not read any more. Only messages that were read together with
 * the last one may exceed the bound.
 *
 * | state     | what the first message waits for             |
 * | --------- | -------------------------------------------- |
 * | open      | nothing: the queue is empty                  |
 * | over rate | the rate limit: a timer                      |
 * | deciding  | the policy's decision on the one before it   |
 * | no room   | the disk, which has to catch up              |
 *
 * It tells the client the outcome of each message, and counts refusals in the ledger.
 */
export class SendQueue implements OutcomeListener {
  /** The rate limits of this connection. */
  readonly rateLimits: RateLimits;
  private state: 'open' | 'over rate' | 'deciding' | 'no room' = 'open';
  private waiting: CheckedRequest[] = [];
  private waitingBytes = 0;
  private cancelTimer: (() => void) | null = null;
  /** The callers of `flush` that wait. While there are any, neither the rate limit nor the disk holds messages up. */
  private flushed: (() => void)[] | null = null;
  /** Asks the policy about a signal; null if the application has none. */
  readonly allows: ((signal: Signal) => boolean | Promise<boolean>) | null;
  /** Asks the policy about a question to the record; null if the application has none. */
  readonly mayAsk: ((peer: string | undefined) => boolean | Promise<boolean>) | null;
  private readonly decide: ((request: CheckedRequest) => Decision | Promise<Decision>) | null;

  /** Make it in the async context of the upgrade: the policy is always asked in that context. */
  constructor(
    readonly connection: Connection,
    private readonly context: SendQueueContext,
  ) {
    const { options, policy } = context;
    this.rateLimits = new RateLimits(options);
    this.decide = policy && AsyncResource.bind((request: CheckedRequest) => policy.decide(request, connection));
    this.mayAsk = policy && AsyncResource.bind((peer: string | undefined) => policy.allowsHistory(peer, connection));
    this.allows = policy && AsyncResource.bind((signal: Signal) => policy.allows(signal, connection));
  }

  /** Hands a message over to delivery, now or when it may be. */
  push(request: CheckedRequest): void {
    if (this.state === 'open' && this.mayTake()) return this.take(request);
    this.waiting.push(request);
    this.waitingBytes += sizeOf(request);
    if (this.isFull) this.connection.reading.hold(Hold.QUEUE);
  }

  /**
   * Hands over all that waits, without regard to the rate limit, because the connection ends. Resolves when nothing
   * waits any more.
   */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      (this.flushed ??= []).push(resolve);
      if (this.state !== 'deciding') this.goOn();
    });
  }

  get awaitsReceipt(): boolean {
    return this.connection.protocol === 'json';
  }

  onReceipt(receipt: Receipt): void {
    this.connection.writeReceipt(receipt);
  }

  onRefused(error: ChatError, id?: string): void {
    this.context.delivery.ledger.countRefusal(error.code);
    this.connection.writeRefusal(error, error.id ?? id);
  }

  /**
   * Tells the client of a refusal. Any other error is a fault of the server: it is logged, and the connection is closed
   * with 1011.
   */
  fail(error: unknown, id?: string): void {
    if (error instanceof ChatError) return this.onRefused(error, id);
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
      this.waitingBytes -= sizeOf(request);
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

  private take(request: CheckedRequest): void {
    const { connection } = this;
    const { quota } = this.context;
    try {
      // A broadcast has a rate limit of its own and is worth nothing later, so it does not wait for that rate.
      if (request.to === undefined && !this.rateLimits.takeBroadcast()) throw errors.tooManyBroadcasts(request.id);
      const decided = this.decide === null ? request : this.decide(request);
      const decision = quota === null ? decided : quota.judge(decided);
      if (!(decision instanceof Promise)) return this.settle(decision, request.id);
      this.state = 'deciding';
      void decision
        .then((final) => () => this.settle(final, request.id))
        .catch((error: unknown) => () => this.fail(error))
        .then((outcome) => {
          if (!connection.isRevoked) outcome();
          this.goOn();
        });
    } catch (error) {
      this.fail(error);
    }
  }

  private settle(decision: Decision, id: string | undefined): void {
    try {
      if (decision === null) throw errors.notAllowed(id);
      const { delivery, options } = this.context;
      const isRecorded = options.record !== null && decision.to !== undefined;
      // The other connections of the sender get an echo.
      delivery.send(isRecorded ? { ...decision, origin: this.connection.id } : decision, this);
    } catch (error) {
      this.fail(error);
    }
  }
}
