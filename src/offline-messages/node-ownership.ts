import type { PositionBlock } from '../delivery/mailbox-store.js';
import type { Fence } from './fence.js';
import type { StoreOwnership } from './ownership.js';
import { SlotSet } from './slot-set.js';
import type { Statements } from './statements.js';
import { Displaced, Fenced } from './store-fault.js';

/** Positions of one block: a node draws one with the slots that it acquires, and another when half of it is used. */
const BLOCK = 2 ** 28;

/**
 * The owner that a cluster writes into the store, in place of a server's token. It fences a single server that has lost
 * its lock without noticing.
 */
const CLUSTER = 'cluster';

const STORE = 'holdfast_store';
const MESSAGES = 'holdfast_offline_message';
/**
 * It locks the node's own row until the statement is committed. Whoever takes over deletes that row first, and so waits
 * for the statements under way; those that come later find no row.
 */
const IS_MEMBER = 'EXISTS (SELECT 1 FROM holdfast_node WHERE id = CAST(? AS bigint) FOR KEY SHARE)';

/** The node that a store's session belongs to; the id is null while it is not a member of the cluster. */
export interface NodeIdentity {
  id: number | null;
}

/**
 * That this process is a node of the cluster, and which positions it may give. Its row in the table of nodes is the
 * fence. Blocks of positions only grow: a block that is drawn after a slot was acquired lies above all positions that
 * earlier owners of the slot have given.
 */
export class NodeOwnership implements StoreOwnership {
  readonly fence: Fence;
  /** The slots whose rows this node may store and delete. */
  readonly slots = new SlotSet();
  private upTo = 0;

  constructor(
    private readonly statements: Statements,
    readonly identity: NodeIdentity,
  ) {
    this.fence = {
      sql: IS_MEMBER,
      get value() {
        return identity.id;
      },
      get probe() {
        return identity.id ?? 0;
      },
    };
  }

  /** Makes the cluster the owner of the store, and deletes what interrupted tries to write have left. */
  async claim(): Promise<void> {
    const { records } = await this.statements.query<{ owner: string }>(
      `SELECT owner FROM ${STORE} WHERE id = 1 AND owner = ?`,
      [CLUSTER],
    );
    if (records.length === 0) {
      // A server that is as old as its messages had no such row: positions go on above them.
      await this.statements.query(
        `INSERT INTO ${STORE} (id, owner, "lastPosition", "sweepAfter")
         SELECT 1, CAST(? AS varchar), COALESCE(MAX(position), 0), 0 FROM ${MESSAGES} WHERE ${IS_MEMBER}
         ON CONFLICT (id) DO UPDATE SET owner = excluded.owner,
           "lastPosition" = GREATEST(${STORE}."lastPosition", excluded."lastPosition")`,
        [CLUSTER, this.identity.id],
      );
    }
    await this.statements.query(`DELETE FROM ${MESSAGES} WHERE recipient = '' AND ${IS_MEMBER}`, [this.identity.id]);
    await this.check();
  }

  /** Rejects with Fenced when the node is not a member any more. It never takes anything back. */
  async take(): Promise<boolean> {
    await this.check();
    return false;
  }

  async raise(atLeast: number): Promise<number> {
    return (await this.draw(atLeast)).above;
  }

  /** Draws the next block of positions, all of which are above this one. */
  async draw(atLeast = 0): Promise<PositionBlock> {
    const { records } = await this.statements.query<{ lastPosition: number }>(
      `WITH drawn AS (UPDATE ${STORE} SET "lastPosition" = GREATEST("lastPosition", CAST(? AS bigint)) + ${BLOCK}
         WHERE id = 1 AND owner = ? AND ${IS_MEMBER} RETURNING "lastPosition")
       SELECT "lastPosition" FROM drawn`,
      [atLeast, CLUSTER, this.identity.id],
    );
    if (!records[0]) throw new Fenced();
    this.upTo = records[0].lastPosition;
    return { above: this.upTo - BLOCK, upTo: this.upTo };
  }

  /** A position above the newest block was never this node's to give: the messages get new ones. */
  cover(position: number): Promise<void> {
    return position > this.upTo ? Promise.reject(new Displaced()) : Promise.resolve();
  }

  async check(): Promise<void> {
    const { records } = await this.statements.query(`SELECT 1 FROM holdfast_node WHERE id = CAST(? AS bigint)`, [
      this.identity.id,
    ]);
    if (records.length === 0) throw new Fenced();
  }

  async sweepAfter(): Promise<number> {
    const { records } = await this.statements.query<{ sweepAfter: number }>(
      `SELECT "sweepAfter" FROM ${STORE} WHERE id = 1`,
      [],
    );
    return records[0]?.sweepAfter ?? 0;
  }

  async deferSweep(until: number): Promise<void> {
    await this.statements.query(
      `UPDATE ${STORE} SET "sweepAfter" = CAST(? AS bigint) WHERE id = 1 AND owner = ? AND ${IS_MEMBER}`,
      [until, CLUSTER, this.identity.id],
    );
  }
}
