import type { NodeSession } from '../database/node-session.js';
import { sessionLockSql, type SessionKind } from '../database/postgres-session.js';
import type { NodeInfo, View } from './membership.js';
import { spread, type SlotRow } from './spread.js';

/** The channel that tells of changes. Anybody may notify on it: it costs a node one beat at most every 50 ms. */
const CHANNEL = 'holdfast_cluster';
const SESSION_KINDS: readonly SessionKind[] = ['membership', 'store', 'bus'];
/** The key of the lock under which the tables are changed, beside the id of the schema. */
const CHANGE_LOCK = 0x401d_c1a5;
/** Longest wait for another node's change, or for a statement of a dead node, in milliseconds: shorter than a lease. */
const CHANGE_WAIT_MS = 1_000;

/** What a beat brings. */
export interface Beat {
  readonly version: number;
  /** The clock of Postgres, in milliseconds since 1970. */
  readonly now: number;
  /** The process of Postgres that has answered. */
  readonly pid: number;
  readonly others: readonly OtherBeat[];
}

/** What a beat tells of another node. */
export interface OtherBeat {
  readonly id: number;
  /** How long ago its last beat was, in milliseconds by the clock of Postgres. */
  readonly age: number;
  /** How many nodes it does not hear. */
  readonly unheard: number;
}

/** What all nodes share. */
export interface ClusterRow {
  readonly id: string;
  readonly key: Buffer;
  readonly sessions: string;
}

/** The tables as they are read: the items of a row in the order of its fields. */
interface Rows {
  readonly version: string;
  readonly nodes: readonly [id: number, isLeaving: boolean, release: string][];
  readonly slots: readonly [slot: number, node: number | null, wanted: number | null][];
}

/** The rows of the cluster, on a session of a node. */
export class NodeTable {
  constructor(private readonly session: NodeSession) {}

  async listen(): Promise<void> {
    await this.session.query(`LISTEN ${CHANNEL}`);
  }

  async newId(): Promise<number> {
    const [row] = await this.session.query<{ id: string }>(`SELECT nextval('holdfast_node_id') AS id`);
    return Number(row!.id);
  }

  /** Null when the node has no row: another one has taken over. */
  async beat(self: number, unheard: number): Promise<Beat | null> {
    const [row] = await this.session.query<{ version: string; now: number; pid: number; others: OtherBeat[] }>(
      `UPDATE holdfast_node SET beat = clock_timestamp(), unheard = $2 WHERE id = CAST($1 AS bigint)
       RETURNING (SELECT version FROM holdfast_cluster) AS version, pg_backend_pid() AS pid,
         CAST(extract(epoch FROM clock_timestamp()) * 1000 AS double precision) AS now,
         (SELECT COALESCE(json_agg(json_build_object('id', id, 'unheard', unheard,
            'age', extract(epoch FROM clock_timestamp() - beat) * 1000)), '[]')
          FROM holdfast_node other WHERE id <> CAST($1 AS bigint)) AS others`,
      [self, unheard],
    );
    return row ? { ...row, version: Number(row.version) } : null;
  }

  /**
   * Changes the tables, one node at a time, and evens out what belongs to whom; resolves to the rows afterwards, or to
   * null when `work` has found that there is nothing to change.
   */
  async change(atOnce: number, work: () => Promise<boolean>): Promise<Snapshot | null> {
    return this.session.transaction(async () => {
      await this.session.query(
        `SET LOCAL lock_timeout = ${CHANGE_WAIT_MS}; SELECT pg_advisory_xact_lock(${CHANGE_LOCK}, (
           SELECT CAST(oid AS integer) FROM pg_namespace WHERE nspname = current_schema()))`,
      );
      if (!(await work())) return null;
      const { nodes, slots } = await this.read();
      const changes = spread(slots, nodes, atOnce);
      if (changes.length > 0) {
        await this.session.query(
          `UPDATE holdfast_slot SET node = CAST(value->>1 AS bigint), wanted = CAST(value->>2 AS bigint)
           FROM jsonb_array_elements(CAST($1 AS jsonb)) WHERE slot = CAST(value->>0 AS smallint)`,
          [JSON.stringify(changes.map(({ slot, node, wanted }) => [slot, node, wanted]))],
        );
      }
      const [row] = await this.session.query<{ version: string }>(
        `WITH changed AS (UPDATE holdfast_cluster SET version = version + 1 RETURNING version)
         SELECT version, pg_notify('${CHANNEL}', '') FROM changed`,
      );
      const bySlot = new Map(changes.map((change) => [change.slot, change]));
      return {
        version: Number(row!.version),
        nodes,
        slots: slots.map((each) => bySlot.get(each.slot) ?? each),
      };
    });
  }

  /** One statement, so what it reads belongs together. */
  async read(): Promise<Snapshot> {
    const [row] = await this.session.query<Rows>(
      `SELECT version,
         (SELECT COALESCE(json_agg(json_build_array(id, leaving, release) ORDER BY id), '[]') FROM holdfast_node) AS nodes,
         (SELECT json_agg(json_build_array(slot, node, wanted) ORDER BY slot) FROM holdfast_slot) AS slots
       FROM holdfast_cluster`,
    );
    const { version, nodes, slots } = row!;
    return {
      version: Number(version),
      nodes: nodes.map(([id, isLeaving, release]) => ({ id, isLeaving, release })),
      slots: slots.map(([slot, node, wanted]) => ({ slot, node, wanted })),
    };
  }

  // The following are parts of a change.

  /** Makes what all nodes share, unless it is there; resolves to it. */
  async makeCluster(made: ClusterRow): Promise<ClusterRow> {
    await this.session.query(
      'INSERT INTO holdfast_cluster (id, key, version, sessions) VALUES ($1, $2, 1, $3) ON CONFLICT DO NOTHING',
      [made.id, made.key, made.sessions],
    );
    const [row] = await this.session.query<ClusterRow>('SELECT id, key, sessions FROM holdfast_cluster');
    return row!;
  }

  async setSessions(sessions: string): Promise<void> {
    await this.session.query('UPDATE holdfast_cluster SET sessions = $1', [sessions]);
  }

  /** The options of the nodes that live: those that have beaten within this time, or have a session. */
  async optionsOfLiving(withinMs: number): Promise<string[]> {
    const rows = await this.session.query<{ id: string; options: string; isFresh: boolean }>(
      `SELECT id, options, beat > clock_timestamp() - $1 * interval '1 ms' AS "isFresh" FROM holdfast_node`,
      [withinMs],
    );
    const options: string[] = [];
    for (const row of rows) if (row.isFresh || !(await this.hasEnded(Number(row.id)))) options.push(row.options);
    return options;
  }

  async insert(self: number, release: string, isLeaving: boolean, options: string): Promise<void> {
    await this.session.query(
      'INSERT INTO holdfast_node (id, beat, release, leaving, options) VALUES ($1, clock_timestamp(), $2, $3, $4)',
      [self, release, isLeaving, options],
    );
  }

  /**
   * Waits for the statements of that node that are under way: they hold its row. Resolves to whether the row was there.
   */
  async remove(node: number): Promise<boolean> {
    const rows = await this.session.query('DELETE FROM holdfast_node WHERE id = CAST($1 AS bigint) RETURNING id', [
      node,
    ]);
    return rows.length > 0;
  }

  /** The same, unless the node has beaten within that time. */
  async removeOverdue(node: number, overdueMs: number): Promise<boolean> {
    const rows = await this.session.query(
      `DELETE FROM holdfast_node WHERE id = CAST($1 AS bigint) AND beat < clock_timestamp() - $2 * interval '1 ms'
       RETURNING id`,
      [node, overdueMs],
    );
    return rows.length > 0;
  }

  async exists(node: number): Promise<boolean> {
    return (await this.session.query('SELECT 1 FROM holdfast_node WHERE id = CAST($1 AS bigint)', [node])).length > 0;
  }

  async setLeaving(self: number, isLeaving: boolean): Promise<void> {
    await this.session.query('UPDATE holdfast_node SET leaving = $2 WHERE id = CAST($1 AS bigint)', [self, isLeaving]);
  }

  /** Takes these slots from their owner; who wants them gets them. */
  async free(self: number, slots: readonly number[]): Promise<void> {
    await this.session.query(
      'UPDATE holdfast_slot SET node = NULL WHERE node = CAST($1 AS bigint) AND slot = ANY($2)',
      [self, slots],
    );
  }

  /** Returns whether none of the node's sessions has its lock. It can't get one before this change has ended. */
  async hasEnded(node: number): Promise<boolean> {
    for (const kind of SESSION_KINDS) {
      const [row] = await this.session.query<{ free: boolean }>(
        `SELECT pg_try_advisory_xact_lock(${sessionLockSql('$1', '$2')}) AS free`,
        [kind, node],
      );
      if (!row!.free) return false;
    }
    return true;
  }

  /** Not a part of a change: ends the sessions that a node has left. One that is stopped would hold up notifications. */
  async endSessions(node: number): Promise<void> {
    for (const kind of SESSION_KINDS) {
      await this.session.query(
        `SELECT pg_terminate_backend(pid) FROM pg_locks
         WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND pid <> pg_backend_pid()
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND (CAST(CAST(classid AS bigint) AS bit(64)) << 32) | CAST(CAST(objid AS bigint) AS bit(64))
             = CAST(${sessionLockSql('$1', '$2')} AS bit(64))`,
        [kind, node],
      );
    }
  }
}

/** The rows of the cluster at one moment. */
export interface Snapshot {
  readonly version: number;
  readonly nodes: readonly NodeInfo[];
  readonly slots: readonly SlotRow[];
}

/** What others see of it. */
export function viewOf({ version, nodes, slots }: Snapshot): View {
  return { version, nodes, owners: slots.map(({ node }) => node) };
}

/** What is left of a view when a node has lost its row. */
export function viewWithout({ version, nodes, owners }: View, gone: number): View {
  return {
    version,
    nodes: nodes.filter(({ id }) => id !== gone),
    owners: owners.map((owner) => (owner === gone ? null : owner)),
  };
}
