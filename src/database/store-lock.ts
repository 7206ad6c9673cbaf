import { closeSync, openSync } from 'node:fs';
import { setTimeout as pass } from 'node:timers/promises';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { codeOf } from '../offline-messages/store-fault.js';
import { identityOf, type FileIdentity } from './file-watch.js';
import type { SqliteOptions } from './sqlite-driver.js';
import { attempt, StoreError } from './store-file.js';

/** Longest wait at the start for the lock of a server that is just ending, in milliseconds. */
const OWNER_WAIT_MS = 2_000;

/** The same for another application of this process, in milliseconds. */
const LETTING_GO_MS = 500;

/** Of every copy of this package in the process: what its stores hold, by path and by identity. */
const HELD = Symbol.for('holdfast.held-store-files');

/**
 * Keeps a second server off the file of a store for as long as this process lives: two would give out the same positions.
 * The lock is an open transaction on a small database beside the file, which every system ends with its process; the file
 * itself stays open to backups and to whoever reads it.
 *
 * Within a process such locks exclude nobody, as the drivers have SQLite once each, and closing a file drops all that the
 * process has on it. There a list of what is held does.
 */
export class StoreLock {
  private readonly held = new Set<string>();
  private connection: DataSource | null = null;
  private identity: FileIdentity | null = null;

  private constructor(
    private readonly options: SqliteOptions,
    /** Where the store is in truth: one file, one lock. */
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

  /** True when what is locked lies at its path no more, so that another server would find a lock of its own there. */
  get isLost(): boolean {
    return identityOf(this.file) !== this.identity;
  }

  /** Has nobody else in the process open the file that was made or found. */
  holdDatabase(): void {
    this.hold(identityOf(this.path));
  }

  /** Locks what lies at the path now. Rejects with a StoreError when another server has done that. */
  async retake(): Promise<void> {
    const { connection, identity } = this;
    await this.acquire(0);
    this.hold(this.identity);
    await connection?.destroy();
    this.letGo(identity);
  }

  async release(): Promise<void> {
    const { connection } = this;
    this.connection = null;
    await connection?.destroy();
    for (const thing of this.held) this.letGo(thing);
  }

  /** Before anything is opened. An application of this process that ends, or could not start, needs a moment to let go. */
  private async holdFiles(): Promise<void> {
    for (const end = performance.now() + LETTING_GO_MS; ;) {
      const things = [this.path, identityOf(this.path), identityOf(this.file)];
      const isHeld = things.some((thing) => thing !== null && heldFiles().has(thing));
      if (isHeld && performance.now() < end) await pass(LETTING_GO_MS / 10);
      else return things.forEach((thing) => this.hold(thing)); // In one go: another may be about to do the same.
    }
  }

  private hold(thing: string | null): void {
    if (thing === null || this.held.has(thing)) return;
    if (heldFiles().has(thing)) throw new StoreError(usedByAnother(this.path));
    heldFiles().add(thing);
    this.held.add(thing);
  }

  private letGo(thing: string | null): void {
    if (thing !== null && this.held.delete(thing)) heldFiles().delete(thing);
  }

  private async acquire(waitMs: number): Promise<void> {
    // Made before SQLite does, so that it is known which file SQLite opens.
    if (identityOf(this.file) === null) {
      attempt(`The lock ${this.file} of the store can't be made`, () => closeSync(openSync(this.file, 'a', 0o644)));
    }
    const identity = identityOf(this.file);
    const { type, driver } = this.options; // The driver without traces: one that has them gives them to every connection.
    const connection = await new DataSource({ type, driver, database: this.file } as DataSourceOptions).initialize();
    try {
      await connection.query(`PRAGMA busy_timeout = ${waitMs}`);
      await connection.query('PRAGMA journal_mode = MEMORY'); // Nothing is ever written: no journal beside it.
      await connection.query('BEGIN EXCLUSIVE');
      if (identityOf(this.file) !== identity)
        throw new StoreError(`The lock ${this.file} is being replaced; let it be.`);
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
