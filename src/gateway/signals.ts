import type { Delivery } from '../delivery/delivery.js';
import { errors } from '../protocol/chat-error.js';
import type { Signal } from '../protocol/signal.js';
import type { SendQueue } from './send-queue.js';

/** How many signals of one connection may wait for the policy. One more is dropped. */
const MAX_UNDECIDED = 64;

/** The signals of a connection about which the policy has yet to decide: their number, and the end of the last. */
interface Undecided {
  count: number;
  last: Promise<void>;
}

/**
 * Passes on the signals of connections, in the order in which they came. A signal waits only for the policy, whatever
 * waits in the send queue; what exceeds its rate is dropped.
 */
export class Signals {
  private readonly undecided = new Map<SendQueue, Undecided>();

  constructor(private readonly delivery: Delivery) {}

  /** Handles a signal. Returns false if the connection has sent too many. */
  handle(queue: SendQueue, signal: Signal): boolean {
    const before = this.undecided.get(queue);
    if (!queue.rateLimits.takeSignal() || before?.count === MAX_UNDECIDED) {
      this.delivery.ledger.signals.add('limited');
      return false;
    }
    const verdict = queue.allows === null || queue.allows(signal);
    if (typeof verdict === 'boolean' && !before) this.settle(queue, signal, verdict);
    else this.settleInOrder(queue, signal, verdict);
    return true;
  }

  private settleInOrder(queue: SendQueue, signal: Signal, verdict: boolean | Promise<boolean>): void {
    const undecided = this.undecided.get(queue) ?? { count: 0, last: Promise.resolve() };
    this.undecided.set(queue, undecided);
    undecided.count += 1;
    undecided.last = Promise.all([verdict, undecided.last]).then(([isAllowed]) => {
      this.settle(queue, signal, isAllowed);
      undecided.count -= 1;
      if (undecided.count === 0) this.undecided.delete(queue);
    });
  }

  private settle(queue: SendQueue, signal: Signal, isAllowed: boolean): void {
    if (queue.connection.isRevoked) return;
    try {
      if (!isAllowed) throw errors.notAllowed(undefined);
      void this.delivery.signal(signal); // It never rejects.
    } catch (error) {
      queue.fail(error);
    }
  }
}
