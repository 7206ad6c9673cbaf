import { randomFillSync } from 'node:crypto';
import { rmSync, statfsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DataSource } from 'typeorm';
import { codeOf, isFull } from '../offline-messages/store-fault.js';
import { sizeOf, StoreError } from './store-file.js';

const MIB = 1024 * 1024;
/** The log is carried over into the file (a checkpoint) at this size; on a small disk, at 1/32 of the disk. */
const MAX_LOG_BYTES = 16 * MIB;
const MIN_LOG_BYTES = MIB / 4;
/** The first size of the ballast, which grows with the log, chunk by chunk. */
const FIRST_BALLAST_BYTES = MIB;
const CHUNK_BYTES = 64 * 1024;
/** The least room that counts as room, in bytes: a message with all its pages fits into it. */
const MIN_ROOM_BYTES = 32 * 1024;
/** The bytes that a message takes in the log, index pages included, as a multiple of its content. */
const GROWTH = 2;
/** The same in the free pages of the file, with a margin. */
const FREE_PAGE_GROWTH = 4;

/** The longest log of a store in this folder, in bytes. */
export function logLimitIn(folder: string): number {
  const { blocks, bsize } = statfsSync(folder);
  return Math.min(MAX_LOG_BYTES, Math.max(MIN_LOG_BYTES, Math.floor((blocks * bsize) / 32)));
}

/** Deletes the ballast when the disk has too little room to open the store. */
export function makeRoomToOpen(path: string): void {
  if (freeIn(dirname(path)) < MIN_LOG_BYTES) rmSync(ballastOf(path), { force: true });
}

/**
 * The room that a store has on its disk. A delete needs room too: first in the log, and at the checkpoint for
 * everything that was inserted before it. A disk that inserts had filled to the last byte could never be emptied. So
 * inserts are refused while there is still room for deletes, and a file of ballast reserves that room against other
 * writers.
 *
 * The database file does not shrink. When the disk is full, inserts go on in pages that deletes have freed, which do
 * not make the file longer.
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

  /** Returns how many bytes of messages may be inserted in one commit; rejects with SQLITE_FULL when none may. */
  async forInserts(): Promise<number> {
    const isStuck = this.spare <= 0 && (await this.isLogStuck());
    const { spare } = this;
    if (spare > 0 && (await this.hasBallast(spare))) return Math.min(spare / GROWTH, this.covered);
    const freed = (await this.pragma('freelist_count')) * (await this.pragma('page_size'));
    // Free pages that are used again do not make the file longer, but the log. What that may take is for deletes first.
    const left = isStuck ? (await this.leftForLog()) - this.logLimit : Infinity;
    const bytes = Math.min(freed, this.logLimit, left) / FREE_PAGE_GROWTH;
    if (bytes >= MIN_ROOM_BYTES) return bytes;
    throw full(`The disk of the store ${this.path} is full, but for what is kept to delete messages; make room.`);
  }

  /**
   * Returns how many bytes one delete may overwrite, so that a checkpoint is still possible after it; rejects with
   * SQLITE_FULL when none may be. That happens while another process reads: SQLite cannot restart the log then, and the
   * log grows.
   */
  async forRemovals(): Promise<number> {
    if (!(await this.isLogStuck())) return Infinity;
    const left = await this.leftForLog();
    if (left >= this.logLimit) return left / GROWTH;
    throw full(
      `The disk of the store ${this.path} is full, and another process reads in it; end that one, or make room.`,
    );
  }

  /** The same after a delete that found no room: deletes the ballast and restarts the log. */
  async forSmallerRemovals(): Promise<number> {
    if (this.isLogLong) return this.forRemovals();
    this.deleteBallast();
    await this.carryOver();
    return Infinity;
  }

  /** The bytes that one commit may add to the log, so that the ballast is enough for the checkpoint. */
  private get covered(): number {
    const covered = (this.ballastBytes - this.logBytes) / GROWTH;
    return Math.max(this.logLimit / 8, Math.min(this.logLimit / 2, covered));
  }

  /** The longest ballast: enough for the longest log that could not be carried over, with the last commit. */
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

  /** The log is longer than it gets while SQLite can restart it. */
  private get isLogLong(): boolean {
    return this.logBytes > 2 * this.logLimit;
  }

  /** The log is long, and SQLite cannot restart it, because another process reads from it. */
  private async isLogStuck(): Promise<boolean> {
    return this.isLogLong && !(await this.carryOver());
  }

  /**
   * The free bytes but for those that the file will take at the next checkpoint. If the log took them, too, it could
   * never be carried over: the disk would stay full of it.
   */
  private async leftForLog(): Promise<number> {
    const length = (await this.pragma('page_count')) * (await this.pragma('page_size'));
    return this.free - (length - (sizeOf(this.path) ?? 0));
  }

  /** The free bytes that are left after a checkpoint, with room for a log of full length. */
  private get spare(): number {
    return this.free - this.logBytes - this.logLimit;
  }

  /** Carries the log over into the file; returns false while another process reads from the log. */
  private async carryOver(): Promise<boolean> {
    try {
      return await this.checkpoint();
    } catch (cause) {
      if (!isFull(cause) || !this.deleteBallast()) throw cause;
      return this.checkpoint();
    }
  }

  private async checkpoint(): Promise<boolean> {
    // The log is cut only when it is long: as long as it keeps its length, no other process can take its room.
    const [row] = (await this.dataSource.query(
      this.isLogLong ? 'PRAGMA wal_checkpoint(TRUNCATE)' : 'PRAGMA wal_checkpoint(PASSIVE)',
    )) as Record<string, number>[];
    return row!['busy'] === 0 && row!['log'] === row!['checkpointed'];
  }

  private async pragma(name: 'freelist_count' | 'page_count' | 'page_size'): Promise<number> {
    const [row] = (await this.dataSource.query(`PRAGMA ${name}`)) as Record<string, number>[];
    return row![name]!;
  }

  /** Returns whether the ballast is enough for what the log holds; makes it longer when there is room. */
  private async hasBallast(spare: number): Promise<boolean> {
    let wanted = Math.min(FIRST_BALLAST_BYTES, this.maxBallast);
    while (wanted < 2 * this.logBytes && wanted < this.maxBallast) wanted = Math.min(2 * wanted, this.maxBallast);
    const length = this.ballastBytes;
    if (length >= wanted) return true;
    if (spare < wanted - length) return false;
    const file = await open(this.ballast, 'a', 0o600);
    try {
      // Random bytes: some file systems do not store zeros.
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

  /** Deletes the ballast; returns false when there was none. */
  private deleteBallast(): boolean {
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

/** The error that SQLite itself would throw, so that it is handled in the same way. */
function full(message: string): StoreError {
  return Object.assign(new StoreError(message), { code: 'SQLITE_FULL' });
}
