import { statSync, type BigIntStats } from 'node:fs';
import { StoreError } from './store-file.js';

/** Which file it is, by any of its names; its copy is another one. */
export type FileIdentity = string;

/** Which file lies at a path; null when there is none, or none that can be looked at. Nothing is opened. */
export function identityOf(path: string): FileIdentity | null {
  const found = statOf(path);
  return found && nameOf(found);
}

/** The files of a store that is open, as they were when it was opened. */
export class FileWatch {
  private readonly database: FileIdentity | null;
  private logs: (FileIdentity | null)[] = [];

  /** `given` is how the operator spells `path`, where the file is in truth. */
  constructor(
    private readonly given: string,
    readonly path: string,
  ) {
    this.database = identityOf(path);
    this.noteLogs();
  }

  /** Notes the log and its index, which SQLite makes anew with each first connection. */
  noteLogs(): void {
    this.logs = this.logFiles.map(identityOf);
  }

  /** Throws a StoreError when the database is not there any more, or another file is. */
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

  /** The log, or its index, that is open and lies at its path no more; null when both are there. */
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
    return null; // Whatever is in the way, the file is not where it was.
  }
}
