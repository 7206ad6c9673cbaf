import { rm } from 'node:fs/promises';
import type { DataSource } from 'typeorm';

/**
 * Removes the lock of the server that has this database, without its knowledge: its session is ended, or its file
 * removed. `outside` is a connection of the test to the same database.
 */
export async function loseLock(outside: DataSource): Promise<void> {
  if (!outside.isInitialized) await outside.initialize();
  if (outside.options.type !== 'postgres') {
    // The other server is in this process, which keeps a list of its held files.
    (globalThis as { [list: symbol]: Set<string> })[Symbol.for('holdfast.held-store-files')]!.clear();
    return rm(`${outside.options.database as string}.lock`);
  }
  const [{ ended }] = (await outside.query(
    `SELECT bool_and(pg_terminate_backend(pid, 5000)) AS ended FROM pg_locks
     WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  )) as [{ ended: boolean }];
  expect(ended).toBe(true);
}
