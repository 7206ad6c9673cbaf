import type { WebSocket } from 'ws';
import { isOpened } from './gateway-hooks.js';

/** Frames of one connection that may wait before it is not listened to any more; what has come with them is beyond. */
const MAX_WAITING_FRAMES = 64;

/**
 * Handles the frames of one connection one after the other: none before the hooks of the gateways are done with the
 * connection, none at all when they failed, and every other one, also when the client leaves meanwhile.
 */
export class FrameQueue {
  private static readonly queues = new WeakMap<WebSocket, FrameQueue>();
  private waiting = 0;
  private tail: Promise<unknown>;
  private readonly opened: Promise<boolean>;

  private constructor(private readonly client: WebSocket) {
    this.tail = this.opened = isOpened(client);
  }

  /** Gateways at one path share their clients, and so this queue. */
  static of(client: WebSocket): FrameQueue {
    let queue = FrameQueue.queues.get(client);
    if (!queue) FrameQueue.queues.set(client, (queue = new FrameQueue(client)));
    return queue;
  }

  /** `handle` never rejects. */
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
