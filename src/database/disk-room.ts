import { randomFillSync } from 'node:crypto';
import { rmSync, statfsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DataSource } from 'typeorm';
import { codeOf, isFull } from '../offline-messages/store-fault.js';
import { sizeOf, StoreError } from './store-file.js';

const MIB = 1024 * 1024;
/** To so many bytes the log may grow before it is carried over into the file, and on a small disk to its 32nd part. */
const MAX_LOG_BYTES = 16 * MIB;
const MIN_LOG_BYTES = MIB / 4;
/** The ballast begins with so much, and grows in chunks as the log does. */
const FIRST_BALLAST_BYTES = MIB;
const CHUNK_BYTES = 64 * 1024;
/** Less than a message with all its pages is no room, in bytes. */
const MIN_ROOM_BYTES = 32 * 1024;
/** What a message takes in the log, index pages and all, as a multiple of its content; and in the free pages of the file. */
const GROWTH = 2;
const CARE = 4;

/** How long the log of a store in this folder may get, in bytes. */
export function logLimitIn(folder: string): number {
  const { blocks, bsize } = statfsSync(folder);
  return Math.min(MAX_LOG_BYTES, Math.max(MIN_LOG_BYTES, Math.floor((blocks * bsize) / 32)));
}

/** Gives up the ballast where opening the store would find no room at all. */
export function makeRoomToOpen(path: string): void {
  if (freeIn(dirname(path)) < MIN_LOG_BYTES) rmSync(ballastOf(path), { force: true });
}

/**
 * The room that a store has on its disk. A deletion needs some as well, first in the log and then, when the log is carried
 * over, for whatever was inserted before it: a disk that inserts had filled to the last byte could never be emptied. So
 * inserts end while there is room for that, and a file of ballast keeps it free where somebody else fills the disk.
 *
 * A file does not shrink. With no room but pages in it that deletions have left, inserts go on in those, with which it does
 * not grow.
 */
export class DiskRoom {
  private readonly folder: string;
  private readonly logLimit: number;
  private readonly ballast: string;

  constructor(
    private readonly dataSource: DataSource,
    private readonly path: string,
  ) {
    this.folder = dirname(path);
    this.logLimit = logLimitIn(this.folder);
    this.ballast = ballastOf(path);
  }

  /** How many bytes of messages may be inserted in one commit; rejects with SQLITE_FULL when none. */
  async forInserts(): Promise<number> {
    if (this.spare <= 0 && this.isLogLong) await this.carryOver();
    const { spare } = this;
    if (spare > 0 && (await this.hasBallast(spare))) return Math.min(spare / GROWTH, this.covered);
    const freed = (await this.pragma('freelist_count')) * (await this.pragma('page_size'));
    const bytes = Math.min(freed, this.logLimit) / CARE;
    if (bytes >= MIN_ROOM_BYTES) return bytes;
    throw full(`The disk of the store ${this.path} is full, but for what is kept to delete messages; make room.`);
  }

  /**
   * Makes sure that the log can still be carried over after a deletion; rejects with SQLITE_FULL when it can't. That is
   * so while another process reads: the log grows then, as SQLite can't begin it anew.
   */
  async forRemovals(): Promise<void> {
    if (!this.isLogLong || (await this.carryOver())) return;
    const growth = (await this.pragma('page_count')) * (await this.pragma('page_size')) - (sizeOf(this.path) ?? 0);
    if (this.free >= growth + this.logLimit) return;
    throw full(
      `The disk of the store ${this.path} is full, and another process reads in it; end that one, or make room.`,
    );
  }

  /** After a deletion for which there was no room: gives up the ballast, and has the log begin anew. */
  async forSmallerRemovals(): Promise<void> {
    if (this.isLogLong) return this.forRemovals();
    this.giveUpBallast();
    await this.carryOver();
  }

  /** What one commit may add to the log so that the ballast is enough to carry that over. */
  private get covered(): number {
    const covered = (this.ballastBytes - this.logBytes) / GROWTH;
    return Math.max(this.logLimit / 8, Math.min(this.logLimit / 2, covered));
  }

  /** The longest ballast: for as much as the log may hold when it can't be carried over, with the last commit. */
  private get maxBallast(): number {
    return 2 * this.logLimit;
  }

  private get ballastBytes(): number {
    return sizeOf(this.ballast) ?? 0;
  }

  private get free(): number {
    return freeIn(this.folder);
  }

  private get logBytes(): number {
    return sizeOf(`${this.path}-wal`) ?? 0;
  }

  /** It is longer than it gets when SQLite can begin it anew. */
  private get isLogLong(): boolean {
    return this.logBytes > 2 * this.logLimit;
  }

  /** What is free when the log has been carried over, and may get as long again. */
  private get spare(): number {
    return this.free - this.logBytes - this.logLimit;
  }

  /** Carries the log over into the file; answers false while another process reads what lies in it. */
  private async carryOver(): Promise<boolean> {
    try {
      return await this.checkpoint();
    } catch (cause) {
      if (!isFull(cause) || !this.giveUpBallast()) throw cause;
      return this.checkpoint();
    }
  }

  private async checkpoint(): Promise<boolean> {
    // Cut only when it is long: nobody else can take the room of one that stays as it is.
    const [row] = (await this.dataSource.query(
      this.isLogLong ? 'PRAGMA wal_checkpoint(TRUNCATE)' : 'PRAGMA wal_checkpoint(PASSIVE)',
    )) as Record<string, number>[];
    return row!['busy'] === 0 && row!['log'] === row!['checkpointed'];
  }

  private async pragma(name: 'freelist_count' | 'page_count' | 'page_size'): Promise<number> {
    const [row] = (await this.dataSource.query(`PRAGMA ${name}`)) as Record<string, number>[];
    return row![name]!;
  }

  /** Says whether there is ballast for what the log holds, and makes it when there is room for it. */
  private async hasBallast(spare: number): Promise<boolean> {
    let wanted = Math.min(FIRST_BALLAST_BYTES, this.maxBallast);
    while (wanted < 2 * this.logBytes && wanted < this.maxBallast) wanted = Math.min(2 * wanted, this.maxBallast);
    const length = this.ballastBytes;
    if (length >= wanted) return true;
    if (spare < wanted - length) return false;
    const file = await open(this.ballast, 'a', 0o600);
    try {
      // No zeros, which some file systems do not store.
      const chunk = randomFillSync(Buffer.alloc(CHUNK_BYTES));
      for (let left = wanted - length; left > 0; left -= chunk.length) await file.write(chunk);
      return true;
    } catch (cause) {
      if (codeOf(cause) === 'ENOSPC') return false;
      throw cause;
    } finally {
      await file.close();
    }
  }

  /** Answers false when there is none. */
  private giveUpBallast(): boolean {
    const isThere = this.ballastBytes > 0;
    rmSync(this.ballast, { force: true });
    return isThere;
  }
}

function ballastOf(path: string): string {
  return `${path}.ballast`;
}

function freeIn(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** As SQLite itself would say it, so that it is taken for the same. */
function full(message: string): StoreError {
  return Object.assign(new StoreError(message), { code: 'SQLITE_FULL' });
}
