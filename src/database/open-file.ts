import { Logger } from '@nestjs/common';
import { rmSync } from 'node:fs';
import { DataSource } from 'typeorm';
import { DiskRoom } from './disk-room.js';
import { FileWatch, identityOf } from './file-watch.js';
import { StoreError } from './store-file.js';
import type { StoreLock } from './store-lock.js';

const logger = new Logger('Store');

/** The open file of each data source that has one. */
const openFiles = new WeakMap<DataSource, OpenFile>();

/** The file of an open store: it holds the lock, and knows whether all files of the store are still there. */
export class OpenFile {
  /**
   * Another server had the store while the log that is open here was not the one at its path. What is in this log
   * belongs to no file any more.
   */
  private logIsForeign = false;

  readonly room: DiskRoom;

  private constructor(
    private readonly dataSource: DataSource,
    private readonly lock: StoreLock,
    private readonly watch: FileWatch,
  ) {
    this.room = new DiskRoom(dataSource, watch.path);
  }

  /** Watches the file from now on, and releases the lock when the connection is closed. */
  static async keep(dataSource: DataSource, lock: StoreLock, given: string, path: string): Promise<void> {
    try {
      lock.holdDatabase();
    } catch (error) {
      await dataSource.destroy();
      throw error;
    }
    const file = new OpenFile(dataSource, lock, new FileWatch(given, path));
    dataSource.destroy = () => file.close();
    openFiles.set(dataSource, file);
  }

  /** Returns the file that a data source has open; undefined for a store in memory or on Postgres. */
  static find(dataSource: DataSource): OpenFile | undefined {
    return openFiles.get(dataSource);
  }

  /** Throws a StoreError when the open files are not those at their paths. Opens nothing, and does not wait. */
  check(): void {
    this.watch.checkDatabase();
    this.checkOwnership();
    if (this.lock.isLost)
      throw new StoreError(`The lock ${this.lock.file} has gone or was replaced; it is taken anew.`);
    const lost = this.watch.lostLog;
    if (lost) throw new StoreError(`${lost}, a part of the open store, has gone or was replaced; it is made anew.`);
  }

  /**
   * Opens the file again by `connect`, with everything that was committed; rejects while that is not possible. Nothing
   * is closed before the same file is there and locked: closing it would lose what only the open handle still has.
   */
  async reopen(connect: () => Promise<void>): Promise<void> {
    this.watch.checkDatabase();
    if (this.lock.isLost) await this.takeLock();
    this.checkOwnership();
    if (this.dataSource.isInitialized) {
      const { lostLog } = this.watch;
      if (lostLog) await this.saveLog(lostLog);
      // Not its own `destroy`, which also releases the lock.
      await DataSource.prototype.destroy.call(this.dataSource);
      // The files at these paths belong to another state of the database, and SQLite would take them for the newest.
      if (lostLog) for (const file of this.watch.logFiles) rmSync(file, { force: true });
    }
    try {
      await connect();
    } finally {
      // Also when it fails halfway: the next try must not take the log that this one has opened for a foreign one, and
      // delete it under another process that reads it.
      this.watch.noteLogs();
    }
    this.check();
  }

  private checkOwnership(): void {
    if (!this.logIsForeign) return;
    throw new StoreError(
      `Another Holdfast had the store while its log ${this.watch.path}-wal was lost here, and went on without what was in that; start the server anew.`,
    );
  }

  /** Takes a lock again that was deleted or replaced. */
  private async takeLock(): Promise<void> {
    const somebodyWasHere = identityOf(this.lock.file) !== null;
    await this.lock.retake();
    this.logIsForeign = somebodyWasHere && this.watch.lostLog !== null;
    logger.warn(`The lock ${this.lock.file} had gone or was replaced; it was taken anew.`);
  }

  /** Carries the open log over into the file: the log is at no path any more, so only the handle still has it. */
  private async saveLog(lost: string): Promise<void> {
    const [row] = (await this.dataSource.query('PRAGMA wal_checkpoint(TRUNCATE)')) as {
      log: number;
      checkpointed: number;
    }[];
    if (row?.log === row?.checkpointed) {
      logger.warn(`${lost} had gone or was replaced; what the open store still had of it was carried over.`);
      return;
    }
    throw new StoreError(
      `The log of the store ${this.watch.path} was lost while another process reads it; stop that one.`,
    );
  }

  private async close(): Promise<void> {
    openFiles.delete(this.dataSource);
    try {
      // Closing the database carries its log over into the file.
      if (this.dataSource.isInitialized && !this.logIsForeign) await DataSource.prototype.destroy.call(this.dataSource);
    } finally {
      await this.lock.release();
    }
  }
}
