import { createRequire } from 'node:module';
import type { DataSourceOptions } from 'typeorm';
import { StoreError } from './store-file.js';

/** What TypeORM calls the drivers of SQLite. */
export type SqliteType = 'sqlite' | 'better-sqlite3';

/** The options of a store on SQLite, with either driver. */
export type SqliteOptions = Extract<DataSourceOptions, { type: SqliteType }>;

/** Drivers are loaded when one is needed: an application has the one that it uses. A bundle of CommonJS has no address of a module, but a name of its file. */
const load = createRequire(import.meta.url ?? __filename);

/**
 * The driver that opens a file unless the application names one: sqlite3 where it is installed and TypeORM has it, which
 * is below version 1, as it works beside the event loop; otherwise better-sqlite3.
 */
export function installedDriver(): SqliteType {
  return isInstalled('typeorm/driver/sqlite/SqliteDriver.js') && isInstalled('sqlite3') ? 'sqlite' : 'better-sqlite3';
}

/** A store in memory, which ends with its connection. */
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

/** Says whether a driver was installed without its binary, as package managers do that ask before a package may build. */
export function isNotBuilt(error: unknown): boolean {
  return String(error).includes('Could not locate the bindings file');
}

export function notBuilt(driver: string): string {
  return `The package ${driver} is installed, but not built; allow it to build in your package manager, and run npm rebuild ${driver}.`;
}

/**
 * The driver sqlite3, but for its `verbose()`, which TypeORM calls: from then on every statement would write out all its
 * parameters, contents included, for the stack of an error that hardly ever comes, and that somebody may log.
 * Undefined when it is not installed, which TypeORM explains.
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

/** What a package says of itself. */
interface Manifest {
  readonly version: string;
  readonly engines?: { readonly node?: string };
}

/**
 * Throws a StoreError where better-sqlite3 is missing, or is one for a later Node: from version 13 on it ends a process of
 * Node 20 with a segmentation fault, and package managers only warn.
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
    return false; // The only thing that is asked.
  }
}
