import type { DataSource } from 'typeorm';
import { StoreError } from './store-file.js';

/**
 * Rejects with a StoreError when the database has a migration that this version does not know; `name` begins its
 * message.
 */
export async function refuseNewer(dataSource: DataSource, name: string): Promise<void> {
  const table = dataSource.options.migrationsTableName ?? 'migrations';
  const runner = dataSource.createQueryRunner();
  try {
    if (!(await runner.hasTable(table))) return;
    const known = new Set(dataSource.migrations.map((migration) => migration.name ?? migration.constructor.name));
    const applied = (await runner.query(`SELECT name FROM "${table}"`)) as { name: string }[];
    const unknown = applied.find((migration) => !known.has(migration.name));
    if (!unknown) return;
    throw new StoreError(
      `${name} was made by a newer version of Holdfast (it has ${unknown.name}); start that version, or restore an older backup.`,
    );
  } finally {
    await runner.release();
  }
}
