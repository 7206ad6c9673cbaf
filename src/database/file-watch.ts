import { statSync, type BigIntStats } from 'node:fs';
import { StoreError } from './store-file.js';

/** Which file it is, whatever its path: the same for two spellings of it, another one for its copy. */
export type FileIdentity = string;

/** Which file lies at a path, and that it is not empty; null when there is none, or none that can be looked at. It opens nothing. */
export function identityOf(path: string): FileIdentity | null {
  const found = statOf(path);
  return found && `${found.dev}:${found.ino}`;
}

/** The files of a store that is open, as they were when it was opened. */
export class FileWatch {
  private readonly database: FileIdentity | null;

  /** `given` is how the operator spells `path`. */
  constructor(private readonly given: string) {
    this.database = identityOf(given);
  }

  /** Throws a StoreError when the store is not there any more, or another file is. */
  check(): void {
    const found = statOf(this.given);
    if (!found) {
      throw new StoreError(
        `The store ${this.given} has gone while the server has it open; put the same file back, or stop the server before you move it.`,
      );
    }
    if (`${found.dev}:${found.ino}` === this.database) return;
    throw new StoreError(
      `The store ${this.given} is another file than the one that the server has open; put that one back, or start the server anew.`,
    );
  }
}

function statOf(path: string): BigIntStats | null {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return null; // Whatever is in the way, the store is not where it was.
  }
}
