import { closeSync, openSync } from 'node:fs';
import { setTimeout as pass } from 'node:timers/promises';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { codeOf } from '../offline-messages/store-fault.js';
import { identityOf, type FileIdentity } from './file-watch.js';
import type { SqliteOptions } from './sqlite-driver.js';
import { attempt, StoreError } from './store-file.js';

/** Longest wait at the start for the lock of a server that is just stopping, in milliseconds. */
const OWNER_WAIT_MS = 2_000;

/** The same for another application of this process, in milliseconds. */
const RELEASE_WAIT_MS = 500;

/**
 * The key of the files that stores in this process hold, by path and by identity; all copies of this package share it.
 */
const HELD = Symbol.for('holdfast.held-store-files');

/**
 * Keeps other servers off the file of a store for as long as this process lives: two would give the same positions. The
 * lock is an open transaction on a small database beside the file, which every operating system ends with the process.
 * Backups and other readers can still open the file itself.
 *
 * Within one process such locks exclude nothing: each driver has its own SQLite, and closing a file drops all locks
 * that the process has on it. There, a list of the held files does it.
 */
export class StoreLock {
  private readonly held = new Set<string>();
  private connection: DataSource | null = null;
  private identity: FileIdentity | null = null;

  private constructor(
    private readonly options: SqliteOptions,
    /** The real path of the store: one file, one lock. */
    private readonly path: string,
  ) {}

  /** Rejects with a StoreError when another server has the store. */
  static async take(options: SqliteOptions, path: string): Promise<StoreLock> {
    const lock = new StoreLock(options, path);
    try {
      await lock.holdFiles();
      await lock.acquire(OWNER_WAIT_MS);
      lock.hold(lock.identity);
      return lock;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  get file(): string {
    return `${this.path}.lock`;
  }

  /** True when the locked file is not at its path any more, so that another server could lock a new one. */
  get isLost(): boolean {
    return identityOf(this.file) !== this.identity;
  }

  /** Marks the database file, which exists by now, as held, so that nothing else in the process opens it. */
  holdDatabase(): void {
    this.hold(identityOf(this.path));
  }

  /** Locks the file that is at the path now. Rejects with a StoreError when another server holds it. */
  async retake(): Promise<void> {
    const { connection, identity } = this;
    await this.acquire(0);
    this.hold(this.identity);
    await connection?.destroy();
    this.unhold(identity);
  }

  async release(): Promise<void> {
    const { connection } = this;
    this.connection = null;
    await connection?.destroy();
    for (const file of this.held) this.unhold(file);
  }

  /**
   * Marks the files as held before anything is opened. An application in this process that is stopping, or could not
   * start, needs a moment to release them.
   */
  private async holdFiles(): Promise<void> {
    for (const end = performance.now() + RELEASE_WAIT_MS; ;) {
      const files = [this.path, identityOf(this.path), identityOf(this.file)];
      const isHeld = files.some((file) => file !== null && heldFiles().has(file));
      if (isHeld && performance.now() < end) await pass(RELEASE_WAIT_MS / 10);
      // Synchronously: another application may be about to do the same.
      else return files.forEach((file) => this.hold(file));
    }
  }

  private hold(file: string | null): void {
    if (file === null || this.held.has(file)) return;
    if (heldFiles().has(file)) throw new StoreError(usedByAnother(this.path));
    heldFiles().add(file);
    this.held.add(file);
  }

  private unhold(file: string | null): void {
    if (file !== null && this.held.delete(file)) heldFiles().delete(file);
  }

  private async acquire(waitMs: number): Promise<void> {
    // The file is made before SQLite makes it, so that it is known which file SQLite opens.
    if (identityOf(this.file) === null) {
      attempt(`The lock ${this.file} of the store can't be made`, () => closeSync(openSync(this.file, 'a', 0o644)));
    }
    const identity = identityOf(this.file);
    // The driver without traces: once turned on, traces apply to every connection.
    const { type, driver } = this.options;
    const connection = await new DataSource({ type, driver, database: this.file } as DataSourceOptions).initialize();
    try {
      await connection.query(`PRAGMA busy_timeout = ${waitMs}`);
      // Nothing is ever written, so no journal appears beside it.
      await connection.query('PRAGMA journal_mode = MEMORY');
      await connection.query('BEGIN EXCLUSIVE');
      if (identityOf(this.file) !== identity)
        throw new StoreError(`The lock ${this.file} is being replaced; leave it alone.`);
    } catch (cause) {
      await connection.destroy();
      throw codeOf(cause).startsWith('SQLITE_BUSY') ? new StoreError(usedByAnother(this.path), { cause }) : cause;
    }
    this.connection = connection;
    this.identity = identity;
  }
}

function heldFiles(): Set<string> {
  const all = globalThis as { [HELD]?: Set<string> };
  return (all[HELD] ??= new Set());
}

function usedByAnother(path: string): string {
  return `The store ${path} is used by another Holdfast; stop that one, give each a file of its own, or send through its REST call POST /chat/messages.`;
}
