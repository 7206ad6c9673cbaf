import { Logger } from '@nestjs/common';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { within, type Clock } from '../options/clock.js';
import { inNoContext } from '../options/no-context.js';
import { RareLog } from '../options/rare-log.js';
import type { WaitingEvent } from './chat-events.js';

/** How long a listener may take, in milliseconds, before it counts as failed. */
const TELL_MS = 30_000;

/** A method that is told, and its name for the log. */
export interface WaitingListener {
  readonly title: string;
  readonly call: (event: WaitingEvent) => unknown;
}

/** Calls the listeners of `waiting` and waits for them. They run outside of any async context. */
export class WaitingListeners {
  private readonly log: RareLog;

  constructor(
    readonly all: readonly WaitingListener[],
    private readonly clock: Clock,
  ) {
    this.log = new RareLog(new Logger('ChatEvents'), clock);
  }

  /** Calls these; returns those that failed. It never rejects. */
  async tell(listeners: readonly WaitingListener[], event: WaitingEvent): Promise<readonly WaitingListener[]> {
    const failed = await Promise.all(listeners.map((listener) => this.hasFailed(listener, event)));
    return listeners.filter((_listener, n) => failed[n]);
  }

  private async hasFailed({ title, call }: WaitingListener, event: WaitingEvent): Promise<boolean> {
    const late = () => new Error(`it took longer than ${TELL_MS / 1000} s`);
    try {
      const work = inNoContext(async () => {
        await nextTurn(); // Each has a callback of its own, so that a context which one enters does not reach the next.
        return call(event);
      });
      await within(this.clock, TELL_MS, work, late);
      return false;
    } catch (error) {
      this.log.error(title, `${title} failed and is called again later: ${String(error)}`);
      return true;
    }
  }
}
