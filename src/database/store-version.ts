import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { StoreError } from './store-file.js';

/**
 * How the name of a migration begins that adds what an older version has no use for. An older version keeps every
 * promise beside it: it need not fill what was added, and what it deletes leaves nothing behind that counts.
 */
const ADDITIVE = 'Additive';

/**
 * Rejects with a StoreError when the database has a migration that this version does not know and may not ignore; `name`
 * begins its message. So a deploy that only adds can be stopped half-way, and taken back.
 */
export async function refuseNewer(dataSource: DataSource, name: string): Promise<void> {
  const table = dataSource.options.migrationsTableName ?? 'migrations';
  const runner = dataSource.createQueryRunner();
  try {
    if (!(await runner.hasTable(table))) return;
    const known = new Set(dataSource.migrations.map((migration) => migration.name ?? migration.constructor.name));
    const applied = (await runner.query(`SELECT name FROM "${table}"`)) as { name: string }[];
    const unknown = applied.map((migration) => migration.name).filter((migration) => !known.has(migration));
    const breaking = unknown.find((migration) => !migration.startsWith(ADDITIVE));
    if (breaking !== undefined) {
      throw new StoreError(
        `${name} was made by a newer version of Holdfast (it has ${breaking}); start that version, or restore an older backup.`,
      );
    }
    if (unknown.length > 0) {
      new Logger('Store').warn(
        `${name} was used by a newer version of Holdfast (it has ${unknown.join(', ')}), beside which this one can work.`,
      );
    }
  } finally {
    await runner.release();
  }
}
