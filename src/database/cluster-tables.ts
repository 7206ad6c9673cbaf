import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { slotSql } from '../offline-messages/slot.js';
import { POOLED } from './postgres-session.js';
import { StoreError } from './store-file.js';

/** Longest wait for another node that makes tables or the index, in milliseconds. */
const PREPARATION_WAIT_MS = 600_000;
/** The lock of the node that makes tables or the index. */
const PREPARATION = 0x401d_fa58;

const MESSAGES = 'holdfast_offline_message';
/** Finds the rows of a slot. It is there as long as nodes use the database. */
const INDEX = `${MESSAGES}_slot`;

/** Options of the session that prepares a database: an index of millions of rows takes minutes. */
export const PATIENT = { statement_timeout: 0, query_timeout: 0, lock_timeout: PREPARATION_WAIT_MS };

/** Lets one node at a time make tables and the index, until its session ends. */
export async function lockForPreparation(session: DataSource): Promise<void> {
  await session.query(
    `SELECT pg_advisory_lock(${PREPARATION}, CAST(oid AS integer)) FROM pg_namespace WHERE nspname = current_schema()`,
  );
}

/** Makes the index of the slots, unless it is there. Nobody stores anything meanwhile. */
export async function prepareForNodes(session: DataSource): Promise<void> {
  if (await hasIndex(session)) return;
  await session.query(`CREATE INDEX ${INDEX} ON ${MESSAGES} ((${slotSql('recipient')}), "storedAt")`);
  // Postgres knows nothing of an expression before that.
  await session.query(`ANALYZE ${MESSAGES}`);
}

/**
 * One server takes back a database that nodes have used: their rows go, so that none of them can write any more, and
 * last the index, which says that there were nodes. Where there were none, this reads one name and touches no table.
 */
export async function takeBackFromNodes(session: DataSource): Promise<void> {
  if (!(await hasIndex(session))) return;
  await session.query('DELETE FROM holdfast_node');
  await session.query('UPDATE holdfast_slot SET node = NULL, wanted = NULL WHERE COALESCE(node, wanted) IS NOT NULL');
  await session.query(`DELETE FROM ${MESSAGES} WHERE recipient = ''`);
  await session.query(`DROP INDEX ${INDEX}`);
}

async function hasIndex(session: DataSource): Promise<boolean> {
  const [row] = (await session.query(`SELECT to_regclass('${INDEX}') IS NOT NULL AS found`)) as { found: boolean }[];
  return row!.found;
}

/** Throws a StoreError when two open connections have the same session: a pooler gives it to both in turn. */
export async function refusePooler(first: DataSource, second: DataSource): Promise<void> {
  const pids = await Promise.all(
    [first, second].map(async (each) => {
      const [row] = (await each.query('SELECT pg_backend_pid() AS pid')) as { pid: number }[];
      return row!.pid;
    }),
  );
  if (pids[0] === pids[1]) throw new StoreError(POOLED);
}

/** Warns when a standby may take over that lacks what was receipted. */
export async function warnOfStandby(session: DataSource): Promise<void> {
  const [row] = (await session.query(
    `SELECT current_setting('synchronous_standby_names') = '' AND EXISTS (SELECT 1 FROM pg_stat_replication) AS lags`,
  )) as { lags: boolean }[];
  if (!row!.lags) return;
  new Logger('Store').warn(
    'The database has a standby that does not confirm commits: if it takes over, messages that have a receipt may be missing. Set synchronous_standby_names.',
  );
}
