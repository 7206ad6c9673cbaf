import { DataSource, type DataSourceOptions } from 'typeorm';
import { codeOf } from '../offline-messages/store-fault.js';
import type { SqliteOptions } from './sqlite-store.js';
import { StoreError } from './store-file.js';

/**
 * Keeps a second server off the file of a store for as long as this process lives: two would give out the same positions,
 * and one of two messages with the same position is not stored. The lock is an open transaction on a small database beside
 * the file, which every system ends with its process; the file itself stays open to backups and to whoever reads it.
 *
 * Answers how to give it up; rejects with a StoreError when another server has it.
 */
export async function lockStore(options: SqliteOptions, file: string): Promise<() => Promise<void>> {
  const { type, driver } = options; // The driver without traces: one that has them gives them to every connection.
  const lock = await new DataSource({ type, driver, database: `${file}.lock` } as DataSourceOptions).initialize();
  try {
    await lock.query('BEGIN EXCLUSIVE');
    return () => lock.destroy();
  } catch (cause) {
    await lock.destroy();
    if (!codeOf(cause).startsWith('SQLITE_BUSY')) throw cause;
    throw new StoreError(
      `The store ${file} is used by another Holdfast; stop that one, give each a file of its own, or send through its REST call POST /chat/messages.`,
      { cause },
    );
  }
}
