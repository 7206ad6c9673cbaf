import { Logger } from '@nestjs/common';
import { reasonOf } from './failures.js';
import type { Lease } from './lease.js';
import type { Peers } from './membership.js';
import type { NodeTable, OtherBeat, Snapshot } from './node.table.js';
import type { Timings } from './timings.js';

/**
 * Takes the slots of nodes that have stopped. A node counts as stopped when
 *
 * - it is silent and has no session left: then it has died, or has lost Postgres and everybody that it could hear;
 * - it is silent and its last beat is so old that its lease has ended;
 * - it is heard, does not beat, and has said that it has stopped.
 *
 * After a restart of Postgres all beats are old and all locks free. So whoever takes over has had its own beats in time
 * for a while, in which the others get back their sessions.
 */
export class Takeover {
  private readonly logger = new Logger('Membership');
  /** Nodes that were asked to stop, and whether they have. */
  private readonly asked = new Map<number, 'asked' | 'yielded'>();

  constructor(
    private readonly peers: Peers,
    private readonly lease: Lease,
    private readonly timings: Timings,
    /** Looks again: a node has yielded. */
    private readonly wake: () => void,
  ) {}

  /** Returns the nodes that may have stopped; asks those that are heard. */
  suspects(others: readonly OtherBeat[]): number[] {
    const { steadyMs, overdueMs } = this.timings;
    for (const id of this.asked.keys()) if (!others.some((other) => other.id === id)) this.asked.delete(id);
    if (this.lease.steadyFor < steadyMs) return [];
    return others
      .filter(({ id, age }) => {
        if (this.asked.get(id) === 'yielded' || (this.isLate(age) && this.isSilent(id))) return true;
        if (age > overdueMs) this.ask(id);
        return false;
      })
      .map(({ id }) => id);
  }

  /** Others whose beats arrive. */
  beating(others: readonly OtherBeat[]): OtherBeat[] {
    return others.filter(({ age }) => !this.isLate(age));
  }

  /** Takes the row of this node, and so its slots, if it has stopped; resolves to the table afterwards. */
  async run(table: NodeTable, self: number, node: number): Promise<Snapshot | null> {
    const after = await table.change(this.timings.slotsAtOnce, async () => {
      // Whoever was taken over itself has no say.
      if (!(await table.exists(self))) return false;
      // Whoever was faster ends the sessions that hold these locks: this one must not be among them.
      if (!(await table.exists(node))) return false;
      if (this.asked.get(node) === 'yielded' || (await table.hasEnded(node))) return table.remove(node);
      return table.removeOverdue(node, this.timings.overdueMs);
    });
    if (after === null) return null;
    this.asked.delete(node);
    this.logger.warn(`Node ${node} has stopped; its slots belong to other nodes now.`);
    await table.endSessions(node).catch((error: unknown) => {
      this.logger.warn(
        `The sessions that node ${node} has left can't be ended, and change nothing any more: ${reasonOf(error)}.`,
      );
    });
    return after;
  }

  private isLate(age: number): boolean {
    return age > 2.5 * this.timings.beatMs;
  }

  private isSilent(node: number): boolean {
    return this.peers.silenceOf(node) >= this.timings.silentMs;
  }

  private ask(node: number): void {
    if (this.asked.has(node)) return;
    this.asked.set(node, 'asked');
    const done = (hasYielded: boolean) => {
      if (!hasYielded || !this.asked.has(node)) return void this.asked.delete(node);
      this.asked.set(node, 'yielded');
      this.wake();
    };
    // It is asked again at the next beat; a node that never answers is silent before long.
    this.peers.askToYield(node).then(done, () => done(false));
  }
}
