import { Lease } from './lease.js';
import type { NodeTable, Snapshot } from './node.table.js';
import { Takeover } from './takeover.js';
import { TIMINGS } from './timings.js';
import { ManualClock } from '../../test/support/manual-clock.js';

const AFTER: Snapshot = { version: 2, nodes: [], slots: [] };

/** The table with the rows of these nodes, all of whose sessions have ended. */
class FakeTable {
  readonly locked: number[] = [];
  readonly endedSessions: number[] = [];

  constructor(private readonly rows: Set<number>) {}

  async change(_atOnce: number, work: () => Promise<boolean>): Promise<Snapshot | null> {
    return (await work()) ? AFTER : null;
  }

  async exists(node: number): Promise<boolean> {
    return this.rows.has(node);
  }

  async hasEnded(node: number): Promise<boolean> {
    this.locked.push(node);
    return true;
  }

  async remove(node: number): Promise<boolean> {
    return this.rows.delete(node);
  }

  async endSessions(node: number): Promise<void> {
    this.endedSessions.push(node);
  }
}

describe('a takeover', () => {
  function run(...rows: number[]) {
    const table = new FakeTable(new Set(rows));
    const peers = { silenceOf: () => Infinity, newestVersion: 0, askToYield: () => Promise.resolve(false) };
    const lease = new Lease(new ManualClock(), TIMINGS.beatMs, TIMINGS.leaseMs);
    const takeover = new Takeover(peers, lease, TIMINGS, () => undefined);
    return { table, after: takeover.run(table as unknown as NodeTable, 1, 2) };
  }

  it('takes the row of a node whose sessions have ended, and ends what it has left', async () => {
    const { table, after } = run(1, 2);
    expect(await after).toBe(AFTER);
    expect(table.endedSessions).toEqual([2]);
  });

  it('takes no lock of a node that another one has taken over: that one ends whoever has it', async () => {
    const { table, after } = run(1);
    expect(await after).toBeNull();
    expect(table).toMatchObject({ locked: [], endedSessions: [] });
  });

  it('has no say when it was taken over itself', async () => {
    const { table, after } = run(2);
    expect(await after).toBeNull();
    expect(table).toMatchObject({ locked: [], endedSessions: [] });
  });
});
