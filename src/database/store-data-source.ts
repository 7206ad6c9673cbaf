import { DataSource, type DataSourceOptions } from 'typeorm';

/**
 * Opens the store's connection: makes the tables or brings them up to date, and makes sure that a commit is on the disk
 * when it is said to be. The connection is the store's alone, as on SQLite a statement joins whatever transaction is open
 * on its connection, and is rolled back with it after it was reported done.
 */
export async function openStore(options: DataSourceOptions): Promise<DataSource> {
  const dataSource = await new DataSource(options).initialize();
  try {
    if (options.type === 'sqlite') await makeDurable(dataSource);
    await dataSource.runMigrations();
  } catch (error) {
    await dataSource.destroy();
    throw error;
  }
  return dataSource;
}

/** The settings under which SQLite has a commit on the disk before it answers. */
const DURABLE = { synchronous: 2 /* FULL */, secure_delete: 1, journal_mode: 'wal' } as const;

async function makeDurable(dataSource: DataSource): Promise<void> {
  await dataSource.query('PRAGMA synchronous = FULL');
  // What was delivered is overwritten in the file, not only forgotten.
  await dataSource.query('PRAGMA secure_delete = ON');
  if (dataSource.options.database === ':memory:') return;
  for (const [name, wanted] of Object.entries(DURABLE)) {
    const [row] = (await dataSource.query(`PRAGMA ${name}`)) as Record<string, unknown>[];
    if (row?.[name] === wanted) continue;
    throw new Error(`The database can't promise durable commits: ${name} is ${String(row?.[name])}, not ${wanted}.`);
  }
}
