import { Logger } from '@nestjs/common';
import type { PositionBlock } from '../delivery/mailbox-store.js';
import type { Clock } from '../options/clock.js';
import { Emitter } from '../options/emitter.js';
import type { CommitQueue } from './commit-queue.js';
import type { NodeOwnership } from './node-ownership.js';
import { SlotSet } from './slot-set.js';
import { Fenced } from './store-fault.js';
import type { StoreHandle } from './store-handle.js';
import type { StoreWriter } from './store-writer.js';

/** Pause before something is tried again that the store has refused, in milliseconds. */
const RETRY_MS = 250;

/**
 * The part of the store that only a node of a cluster has: it comes and goes, and so do its slots. It begins outside
 * the cluster, without slots. What belongs to no slot of it, it neither stores nor deletes nor counts.
 *
 * Calls of `acquire` and `release` that are under way when the node is abandoned reject with Fenced, and with
 * STORE_UNAVAILABLE when it is closed.
 */
export class NodeStore {
  /** The node has these slots, and what waits in them is counted. */
  readonly acquired = new Emitter<readonly number[]>(new Logger('OfflineMessages'), 'acquired');
  /** Ends what is under way when the node is abandoned. */
  private member = new AbortController();
  /** The last abandoning is complete. */
  private abandoned = Promise.resolve();

  constructor(
    private readonly ownership: NodeOwnership,
    private readonly handle: StoreHandle,
    private readonly writer: StoreWriter,
    private readonly queue: CommitQueue,
    private readonly clock: Clock,
  ) {}

  /**
   * A statement has found out that the node's row is gone. The store does nothing any more until `abandon` and `join`,
   * and keeps what waits: nobody is refused.
   */
  get fenced(): CommitQueue['fenced'] {
    return this.queue.fenced;
  }

  /**
   * The node is a member of the cluster with this id: opens the session again, under a lock of that id. To be called
   * when its row is there; rejects when it is not, or the database can't be opened, and may be called again then.
   */
  async join(node: number): Promise<void> {
    await this.abandoned;
    await this.queue.leave();
    this.ownership.identity.id = node;
    await this.handle.enter(() => this.ownership.claim());
    this.member = new AbortController();
    this.queue.join();
  }

  /**
   * Takes slots over that belong to this node by now, and counts what waits in them. Returns a block of positions that
   * are all above those that any earlier owner has given. While the store fails, it tries until it works.
   */
  async acquire(slots: readonly number[]): Promise<PositionBlock> {
    return this.untilDone(async () => {
      const block = await this.ownership.draw();
      const found = await this.handle.table.summary(slots);
      this.ownership.slots.add(slots);
      this.writer.tookOver(found);
      if (slots.length > 0) this.acquired.emit(slots);
      const recordedUpTo = (await this.handle.record?.lastPosition()) ?? 0;
      return { ...block, recordedUpTo };
    });
  }

  /** Draws another block of positions, to be called when half of the last one is used. */
  async draw(): Promise<PositionBlock> {
    return this.untilDone(() => this.ownership.draw());
  }

  /**
   * Lets go of slots. Nothing may be asked for them any more. Resolves when all that was asked for is committed, no
   * statement of theirs is unanswered, and nothing of them is in memory: another node may have them then.
   */
  async release(slots: readonly number[]): Promise<void> {
    const released = new SlotSet();
    released.add(slots);
    const letGo = async () => {
      if (!this.writer.isDoneWith(released)) return false;
      const left = await this.handle.table.summary(slots);
      this.ownership.slots.remove(slots);
      this.writer.handOver(left);
      return true;
    };
    // It is asked between two commits, one after the other. Those of other slots may never end.
    while (!(await this.untilDone(letGo)));
  }

  /**
   * The node was fenced, and owns nothing any more: forgets its slots and everything that waits. The senders hear
   * nothing; a message whose commit was under way may still hear that it was stored, which is true. Resolves when no
   * statement is under way.
   */
  abandon(): Promise<void> {
    this.ownership.slots.clear();
    this.ownership.identity.id = null;
    this.member.abort(new Fenced());
    this.abandoned = this.queue.leave().then(() => this.writer.abandon());
    return this.abandoned;
  }

  /** Runs something between two commits, again and again until the store does not refuse it. */
  private async untilDone<Result>(run: () => Promise<Result>): Promise<Result> {
    for (;;) {
      try {
        return await this.whileMember(this.queue.read(run));
      } catch (cause) {
        if (this.member.signal.aborted || this.queue.isClosing) throw cause;
        await this.whileMember(new Promise<void>((resolve) => this.clock.after(RETRY_MS, resolve)));
      }
    }
  }

  private whileMember<Result>(work: Promise<Result>): Promise<Result> {
    const { signal } = this.member;
    signal.throwIfAborted();
    return new Promise<Result>((resolve, reject) => {
      const stop = () => reject(signal.reason as Error);
      signal.addEventListener('abort', stop, { once: true });
      const done = () => signal.removeEventListener('abort', stop);
      work.then(resolve, reject).finally(done);
    });
  }
}
