import { statSync, type BigIntStats } from 'node:fs';
import { StoreError } from './store-file.js';

/** Identifies a file by device and inode: the same under each of its names, another for a copy. */
export type FileIdentity = string;

/** Returns which file is at a path; null when there is none, or it cannot be read. Opens nothing. */
export function identityOf(path: string): FileIdentity | null {
  const found = statOf(path);
  return found && nameOf(found);
}

/** The files of an open store, as they were when it was opened. */
export class FileWatch {
  private readonly database: FileIdentity | null;
  private logs: (FileIdentity | null)[] = [];

  /** `given` is how the operator spells `path`, the real path of the file. */
  constructor(
    private readonly given: string,
    readonly path: string,
  ) {
    this.database = identityOf(path);
    this.noteLogs();
  }

  /** Remembers which log and index are there: SQLite makes new ones for each first connection. */
  noteLogs(): void {
    this.logs = this.logFiles.map(identityOf);
  }

  /** Throws a StoreError when the database is missing, is another file now, or is empty. */
  checkDatabase(): void {
    const found = statOf(this.given);
    if (!found) {
      throw new StoreError(
        `The store ${this.given} has gone while it was open; put the same file back, or stop the server before you move or delete it.`,
      );
    }
    if (nameOf(found) !== this.database) {
      throw new StoreError(
        `The store ${this.given} is another file than the one that was opened; put that one back, or start the server anew to take this one.`,
      );
    }
    if (found.size === 0n) {
      throw new StoreError(
        `The store ${this.given} was emptied while it was open; stop the server and restore a backup.`,
      );
    }
  }

  /** The path of the log or its index, when the open one is not at that path any more; null when both are. */
  get lostLog(): string | null {
    return this.logFiles.find((file, index) => identityOf(file) !== this.logs[index]) ?? null;
  }

  get logFiles(): string[] {
    return [`${this.path}-wal`, `${this.path}-shm`];
  }
}

function nameOf({ dev, ino }: BigIntStats): FileIdentity {
  return `${dev}:${ino}`;
}

function statOf(path: string): BigIntStats | null {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return null; // Whatever the reason, the file is not where it was.
  }
}
