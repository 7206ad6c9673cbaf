import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PostgresServer } from './postgres-server.js';

/** One kind of database, for suites that hold on all of them. */
export interface DatabaseKind {
  /** Returns the address of a new, empty database. */
  create(): Promise<string>;
  /** The folder with the files of all of them; null when it is that in the address. */
  readonly folder: string | null;
  /** Ends everything that `create` started. */
  dispose(): Promise<void>;
}

class SqliteKind implements DatabaseKind {
  readonly folder = null;
  private readonly folders: string[] = [];

  constructor(private readonly scheme: string) {}

  async create(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-database-'));
    this.folders.push(folder);
    return `${this.scheme}:${join(folder, 'store.sqlite')}`;
  }

  async dispose(): Promise<void> {
    for (const folder of this.folders) await rm(folder, { recursive: true, force: true });
  }
}

class PostgresKind implements DatabaseKind {
  private server: PostgresServer | null = null;

  get folder(): string | null {
    return this.server && join(this.server.folder, 'data');
  }

  async create(): Promise<string> {
    this.server ??= await PostgresServer.start();
    return this.server.createDatabase();
  }

  async dispose(): Promise<void> {
    await this.server?.dispose();
  }
}

/** Every kind of database that the store supports, by its name. */
export const DATABASE_KINDS: readonly (readonly [string, () => DatabaseKind])[] = [
  ['sqlite3', () => new SqliteKind('sqlite')],
  ['better-sqlite3', () => new SqliteKind('better-sqlite3')],
  ['Postgres', () => new PostgresKind()],
];
