import { AsyncResource } from 'node:async_hooks';
import type { Connection } from '../connections/connection.js';
import { Hold } from '../connections/reading.js';
import type { DeliveryService } from '../delivery/delivery.service.js';
import type { ChatOptions } from '../options/chat.options.js';
import { errors } from '../protocol/chat-error.js';
import type { SendRequest } from '../protocol/send-request.js';
import type { Policy } from './policy.js';

/** How much of one connection may wait, in bytes of content [protocol 5]. */
const MAX_WAITING_BYTES = 64 * 1024;
/**
 * How many messages, or `frameBurst` if that is more: as many as these bytes are with 64 to each. What a client acknowledges comes
 * behind what it sends, so with fewer of them a sender of many short messages would seem not to receive.
 */
const MAX_WAITING = 1_024;

/** What a queue asks, of all connections alike. */
export interface SendQueueSurroundings {
  readonly options: Pick<ChatOptions, 'clock' | 'frameBurst'>;
  readonly delivery: DeliveryService;
  readonly policy: Policy | null;
  /** Whatever fails is answered; it must not throw. */
  onError(connection: Connection, error: unknown): void;
}

/**
 * What one connection sends, on its way to delivery, in its order: each message is taken at once, unless one before it waits,
 * it comes faster than it may, the application has to decide about it first, or the disk can't keep up. What waits is
 * bounded by not reading the socket any more; what was read together with the last of it is beyond that bound.
 *
 * | state     | what the first that waits waits for        |
 * | --------- | ------------------------------------------ |
 * | open      | nothing waits                              |
 * | over rate | its turn: a timer                          |
 * | deciding  | the policy's verdict on the one before it  |
 * | no room   | that the disk has caught up                |
 */
export class SendQueue {
  private state: 'open' | 'over rate' | 'deciding' | 'no room' = 'open';
  private waiting: SendRequest[] = [];
  private waitingBytes = 0;
  private cancelTimer: (() => void) | null = null;
  /** Who is told when nothing waits any more; until then neither the rate nor the disk holds anything up. */
  private flushed: (() => void)[] = [];

  private readonly decide: ((request: SendRequest) => boolean | Promise<boolean>) | null;

  /** To be made in the async context of the upgrade: a policy is asked in it, whatever made a message wait. */
  constructor(
    private readonly connection: Connection,
    private readonly shared: SendQueueSurroundings,
  ) {
    const { policy } = shared;
    this.decide = policy && AsyncResource.bind((request: SendRequest) => policy.decide(request, connection));
  }

  /** Takes what a connection sends, now or when it may be. */
  push(request: SendRequest): void {
    if (this.state === 'open' && this.mayTake()) return this.take(request);
    this.waiting.push(request);
    this.waitingBytes += Buffer.byteLength(request.content);
    if (this.isFull) this.connection.reading.hold(Hold.QUEUE);
  }

  /** Takes all that waits, however fast it came, as the connection ends; resolves when it is taken, or must not be any more. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      this.flushed.push(resolve);
      if (this.state !== 'deciding') this.goOn();
    });
  }

  private get isFull(): boolean {
    const most = Math.max(this.shared.options.frameBurst, MAX_WAITING);
    return this.waiting.length >= most || this.waitingBytes >= MAX_WAITING_BYTES;
  }

  private mayTake(): boolean {
    if (this.flushed.length > 0) return true;
    if (this.shared.delivery.isFull) {
      this.state = 'no room';
      this.shared.delivery.whenRoom(() => {
        if (this.state === 'no room') this.goOn();
      });
      return false;
    }
    const waitMs = this.connection.pace.takeFrame();
    if (waitMs === 0) return true;
    this.state = 'over rate';
    this.cancelTimer = this.shared.options.clock.after(waitMs, () => this.goOn());
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
    if (this.state !== 'open') return;
    for (const resolve of this.flushed.splice(0)) resolve();
  }

  private drop(): void {
    this.waiting = [];
    this.waitingBytes = 0;
  }

  private take(request: SendRequest): void {
    const { connection, shared } = this;
    try {
      // A broadcast has a rate of its own, and is worth nothing later: what is over it does not wait.
      if (request.to === undefined && !connection.pace.takeBroadcast()) throw errors.tooManyBroadcasts(request.id);
      const verdict = this.decide === null || this.decide(request);
      if (typeof verdict === 'boolean') return this.settle(request, verdict);
      this.state = 'deciding';
      void verdict.then((allowed) => {
        if (!connection.isRevoked) this.settle(request, allowed);
        this.goOn();
      });
    } catch (error) {
      shared.onError(connection, error);
    }
  }

  private settle(request: SendRequest, allowed: boolean): void {
    const { connection, shared } = this;
    try {
      if (!allowed) throw errors.notAllowed(request.id);
      shared.delivery.send(request, connection);
    } catch (error) {
      shared.onError(connection, error);
    }
  }
}
