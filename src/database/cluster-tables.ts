import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { slotOf, slotSql } from '../offline-messages/slot.js';
import { codeOf } from '../offline-messages/store-fault.js';
import { POOLED } from './postgres-session.js';
import { StoreError } from './store-file.js';

/** Longest wait for another node that makes tables or the index, in milliseconds. */
const PREPARATION_WAIT_MS = 600_000;
/** The lock of the node that makes tables or the index. */
const PREPARATION = 0x401d_fa58;

const MESSAGES = 'holdfast_offline_message';
/** Finds the rows of a slot. It is there as long as nodes use the database. */
const INDEX = `${MESSAGES}_slot`;
const MAKE_INDEX = `CREATE INDEX ${INDEX} ON ${MESSAGES} ((${slotSql('recipient')}), "storedAt")`;
const DROP_INDEX = `DROP INDEX ${INDEX}`;
const NOT_PRIVILEGED = '42501';

/** Options of the session that prepares a database: an index of millions of rows takes minutes. */
export const PATIENT = { statement_timeout: 0, query_timeout: 0, lock_timeout: PREPARATION_WAIT_MS };

/** Lets one node at a time make tables and the index, until its session ends. */
export async function lockForPreparation(session: DataSource): Promise<void> {
  await session.query(
    `SELECT pg_advisory_lock(${PREPARATION}, CAST(oid AS integer)) FROM pg_namespace WHERE nspname = current_schema()`,
  );
}

/**
 * Makes the index of the slots, unless it is there. Nobody stores anything meanwhile. Rejects with a StoreError when
 * slots can't be computed, and when the role may not make the index.
 */
export async function prepareForNodes(session: DataSource): Promise<void> {
  await refuseWithoutSlots(session);
  if (await hasIndex(session)) return;
  await asOwner(session.query(MAKE_INDEX), MAKE_INDEX, 'Nodes need an index of the messages that wait');
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
  const why = 'Nodes of a cluster have used this database, and their index has to go';
  await asOwner(session.query(DROP_INDEX), DROP_INDEX, why);
}

/** Waits for a statement that only the owner of the tables may run. */
async function asOwner(statement: Promise<unknown>, sql: string, why: string): Promise<void> {
  try {
    await statement;
  } catch (cause) {
    if (codeOf(cause) !== NOT_PRIVILEGED) throw cause;
    throw new StoreError(`${why}, which only the owner of ${MESSAGES} can see to; have that role run: ${sql}`, {
      cause,
    });
  }
}

/** A slot is a part of an MD5, which Postgres and Node compute with OpenSSL, and that may be told to refuse. */
async function refuseWithoutSlots(session: DataSource): Promise<void> {
  let where = 'Postgres';
  try {
    await session.query(`SELECT ${slotSql(`''`)}`);
    where = 'Node';
    slotOf('');
  } catch (cause) {
    throw new StoreError(
      `${where} can't compute MD5, by which a cluster finds the home of a user (it protects nothing): ${(cause as Error).message}. Leave FIPS mode there, or run one server without a cluster.`,
      { cause },
    );
  }
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
