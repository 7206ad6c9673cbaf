import { createRequire } from 'node:module';
import type { DataSourceOptions } from 'typeorm';
import { StoreError } from './store-file.js';

/** The names of the SQLite drivers in TypeORM. */
export type SqliteType = 'sqlite' | 'better-sqlite3';

/** The options of a store on SQLite, with either driver. */
export type SqliteOptions = Extract<DataSourceOptions, { type: SqliteType }>;

/**
 * Loads a driver only when it is needed, because an application installs only the one that it uses. A CommonJS bundle
 * has no `import.meta.url`.
 */
const load = createRequire(import.meta.url ?? __filename);

/**
 * Returns the driver for a file when the application names none: sqlite3, which works beside the event loop, where it
 * is installed and TypeORM supports it (below version 1); otherwise better-sqlite3.
 */
export function installedDriver(): SqliteType {
  return isInstalled('typeorm/driver/sqlite/SqliteDriver.js') && isInstalled('sqlite3') ? 'sqlite' : 'better-sqlite3';
}

/** Returns the options of a store in memory, which ends with its connection. */
export function memoryStore(): DataSourceOptions {
  return { type: installedDriver(), database: ':memory:' } as DataSourceOptions;
}

export function isSqlite(options: DataSourceOptions): options is SqliteOptions {
  return options.type === 'sqlite' || options.type === 'better-sqlite3';
}

/** The path of a store that is a file; null for one in memory, which ends with its connection. */
export function fileOf({ database }: SqliteOptions): string | null {
  return database === ':memory:' ? null : database;
}

/** Returns whether a driver was installed without its binary: some package managers ask before a package may build. */
export function isNotBuilt(error: unknown): boolean {
  return String(error).includes('Could not locate the bindings file');
}

export function notBuilt(driver: string): string {
  return `The package ${driver} is installed, but not built; allow it to build in your package manager, and run npm rebuild ${driver}.`;
}

/**
 * Returns the driver sqlite3 with a `verbose()` that does nothing. TypeORM calls `verbose()`, after which every
 * statement would format all its parameters, message contents included, for the stack of a possible error, which may be
 * logged. Undefined when the driver is not installed; TypeORM explains that.
 */
export function sqliteWithoutTraces(): object | undefined {
  try {
    const driver = load('sqlite3') as object;
    return { ...driver, verbose: () => driver };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw isNotBuilt(error) ? new StoreError(notBuilt('sqlite3'), { cause: error }) : error;
  }
}

/** The fields of a package.json that are needed here. */
interface Manifest {
  readonly version: string;
  readonly engines?: { readonly node?: string };
}

/**
 * Throws a StoreError when better-sqlite3 is missing or needs a later Node: from version 13 on it crashes Node 20 with
 * a segmentation fault, and package managers only warn.
 */
export function checkBetterSqlite3(
  nodeVersion: string = process.versions.node,
  found: Manifest | null = manifest(),
): void {
  if (!found) {
    throw new StoreError(
      'No driver for SQLite is installed; run npm install better-sqlite3@12, or give a database on Postgres.',
    );
  }
  const lowest = Number(/^>=\s*(\d+)/.exec(found.engines?.node ?? '')?.[1] ?? 0);
  if (Number.parseInt(nodeVersion, 10) >= lowest) return;
  throw new StoreError(
    `The package better-sqlite3 ${found.version} needs Node ${lowest}, and this is ${nodeVersion}; run npm install better-sqlite3@12.`,
  );
}

function manifest(): Manifest | null {
  const path = 'better-sqlite3/package.json';
  return isInstalled(path) ? (load(path) as Manifest) : null;
}

function isInstalled(name: string): boolean {
  try {
    load.resolve(name);
    return true;
  } catch {
    return false; // Whether it can be found is all that matters here.
  }
}
