import type { Logger } from '@nestjs/common';
import {
  firstValueFrom,
  fromEvent,
  isObservable,
  map,
  race,
  ReplaySubject,
  takeUntil,
  timer,
  type Observable,
} from 'rxjs';
import { WebSocket, type MessageEvent } from 'ws';
import { isOpened } from './gateway-hooks.js';

/**
 * How many frames of one connection may wait before its socket is paused. Frames that were read together may be more.
 */
const MAX_WAITING_FRAMES = 64;

/** How long the next frame waits for the first value of an Observable that a handler returned, in milliseconds. */
const FIRST_VALUE_MS = 1_000;

/** Nest's function that turns the result of a handler into replies. */
type Transform = (result: unknown) => Observable<unknown>;

/** Calls the handler of a frame; returns its replies. */
type Handle = (frame: MessageEvent, transform: Transform) => Observable<unknown>;

/**
 * Handles the frames of a client of another gateway one after the other, and sends the replies. Nest's own adapter
 * starts the handlers of all frames at once, so that a fast one overtakes a slow one. It does so before an asynchronous
 * `handleConnection` is done. There a reply that cannot be written as JSON ends the process.
 */
export function handleInOrder(client: WebSocket, transform: Transform, handle: Handle, logger: Logger): void {
  const closed = new ReplaySubject<unknown>(1); // A frame may be handled after the client has left.
  fromEvent(client, 'close').subscribe(closed);
  const queue = FrameQueue.of(client);

  /** Resolves when the frame is handled and its first reply is written. */
  const reply = async (frame: MessageEvent): Promise<void> => {
    let returned: unknown;
    const replies = handle(frame, (result) => transform((returned = result)));
    const replied = new Promise<void>((resolve) =>
      replies
        .pipe(
          map((value) => (value === null || value === undefined ? null : JSON.stringify(value))),
          takeUntil(closed),
        )
        .subscribe({
          next: (text) => {
            if (text !== null && client.readyState === WebSocket.OPEN) client.send(text);
            resolve();
          },
          error: (error) => {
            logger.error(error);
            resolve();
          },
          complete: resolve,
        }),
    );
    const outcome = await Promise.resolve(returned).catch(() => null); // The error reaches the replies as well.
    await (isObservable(outcome) ? firstValueFrom(race(replied, timer(FIRST_VALUE_MS))) : replied);
  };
  client.addEventListener('message', (frame) => queue.push(() => reply(frame)));
}

/**
 * The frames of one connection, which are handled one after the other. They wait until the hooks of the gateways are
 * done with the connection. If a hook failed, none is handled. Otherwise all are, even if the client leaves.
 */
class FrameQueue {
  private static readonly queues = new WeakMap<WebSocket, FrameQueue>();
  private waiting = 0;
  private tail: Promise<unknown>;
  private readonly opened: Promise<boolean>;

  private constructor(private readonly client: WebSocket) {
    this.tail = this.opened = isOpened(client);
  }

  /** Returns the queue of a client. Gateways at one path share their clients, and so their queues. */
  static of(client: WebSocket): FrameQueue {
    let queue = FrameQueue.queues.get(client);
    if (!queue) FrameQueue.queues.set(client, (queue = new FrameQueue(client)));
    return queue;
  }

  /** Adds a frame. `handle` must not reject. */
  push(handle: () => Promise<void>): void {
    this.waiting += 1;
    if (this.waiting === MAX_WAITING_FRAMES) this.client.pause();
    this.tail = this.tail.then(async () => {
      if (await this.opened) await handle();
      if (this.waiting === MAX_WAITING_FRAMES) this.client.resume();
      this.waiting -= 1;
    });
  }
}
