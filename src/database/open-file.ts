import { Logger } from '@nestjs/common';
import { rmSync } from 'node:fs';
import { DataSource } from 'typeorm';
import { DiskRoom } from './disk-room.js';
import { FileWatch, identityOf } from './file-watch.js';
import { StoreError } from './store-file.js';
import type { StoreLock } from './store-lock.js';

const logger = new Logger('Store');

/** Of each data source that is open on a file, that file. */
const openFiles = new WeakMap<DataSource, OpenFile>();

/** The file of a store that is open: its lock, and whether all that belongs to it is still there. */
export class OpenFile {
  /** Somebody else had the store while the log here was another one than at its path: what is in this one belongs to no file. */
  private logIsForeign = false;

  readonly room: DiskRoom;

  private constructor(
    private readonly dataSource: DataSource,
    private readonly lock: StoreLock,
    private readonly watch: FileWatch,
  ) {
    this.room = new DiskRoom(dataSource, watch.path);
  }

  /** Watches the file from now on, and gives the lock up with the connection. */
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

  /** The file on which a data source is open; undefined for one that is on none. */
  static find(dataSource: DataSource): OpenFile | undefined {
    return openFiles.get(dataSource);
  }

  /** Throws a StoreError when what is open is not what lies at the path. It opens nothing, and waits for nothing. */
  check(): void {
    this.watch.checkDatabase();
    this.checkOwnership();
    if (this.lock.isLost)
      throw new StoreError(`The lock ${this.lock.file} has gone or was replaced; it is taken anew.`);
    const lost = this.watch.lostLog;
    if (lost) throw new StoreError(`${lost}, a part of the open store, has gone or was replaced; it is made anew.`);
  }

  /**
   * Has `connect` open the file anew, with all that was committed; rejects while that can't be. Until the very same file
   * is there and locked nothing is closed, as closing it would throw away what only the handle still has.
   */
  async reopen(connect: () => Promise<void>): Promise<void> {
    this.watch.checkDatabase();
    if (this.lock.isLost) await this.takeLock();
    this.checkOwnership();
    if (this.dataSource.isInitialized) {
      const { lostLog } = this.watch;
      if (lostLog) await this.saveLog(lostLog);
      // Not its own `destroy`: that gives the file free for others.
      await DataSource.prototype.destroy.call(this.dataSource);
      // What lies there instead belongs to another state of the file, which SQLite would take for the newest.
      if (lostLog) for (const file of this.watch.logFiles) rmSync(file, { force: true });
    }
    await connect();
    this.watch.noteLogs();
    this.check();
  }

  private checkOwnership(): void {
    if (!this.logIsForeign) return;
    throw new StoreError(
      `Another Holdfast had the store while its log ${this.watch.path}-wal was lost here, and went on without what was in that; start the server anew.`,
    );
  }

  /** The lock that was lost is taken anew, where it was deleted or another lies. */
  private async takeLock(): Promise<void> {
    const somebodyWasHere = identityOf(this.lock.file) !== null;
    await this.lock.retake();
    this.logIsForeign = somebodyWasHere && this.watch.lostLog !== null;
    logger.warn(`The lock ${this.lock.file} had gone or was replaced; it was taken anew.`);
  }

  /** Carries over into the file what only the handle still has: the log that it has open is at no path any more. */
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
      // Closing a file carries its log over into it.
      if (this.dataSource.isInitialized && !this.logIsForeign) await DataSource.prototype.destroy.call(this.dataSource);
    } finally {
      await this.lock.release();
    }
  }
}
