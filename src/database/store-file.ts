import { accessSync, constants, mkdirSync, openSync, readSync, closeSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** The first bytes of every SQLite file [sqlite.org/fileformat2.html 1.3]. */
const MAGIC = 'SQLite format 3\0';

/** The store can't be used; its message tells the operator why, and what to do. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}

/** What there is at the path of a store. An empty file holds nothing yet: a first start that was killed leaves one. */
export type FoundFile = 'nothing' | 'empty' | 'database';

/**
 * Looks at the file of a store before SQLite does, as SQLite makes a new database where it finds none: over an empty
 * file it throws away the log with what was committed last, and a file that is missing it replaces without a word.
 * Throws a StoreError when no store can be here; a folder that is missing is made.
 */
export function inspectFile(path: string): FoundFile {
  const folder = dirname(path);
  attempt(`The folder ${folder} of the store can't be made`, () => mkdirSync(folder, { recursive: true }));
  const size = sizeOf(path);
  if (size === null || size === 0) {
    if ((sizeOf(`${path}-wal`) ?? 0) > 0) {
      throw new StoreError(
        `The store ${path} is ${size === null ? 'missing' : 'empty'}, but its log ${path}-wal holds messages; put the file back that belongs to it, or move the log away.`,
      );
    }
  } else {
    attempt(`The store ${path} can't be read and written`, () => accessSync(path, constants.R_OK | constants.W_OK));
    if (startOf(path) !== MAGIC) {
      throw new StoreError(`The store ${path} is no SQLite database, or is damaged; nothing was changed in it.`);
    }
  }
  attempt(`The folder ${folder} of the store can't be written to, and the log of the store has to be in it`, () =>
    accessSync(folder, constants.W_OK | constants.X_OK),
  );
  if (size === null) return 'nothing';
  return size === 0 ? 'empty' : 'database';
}

/** How long a file is, in bytes; null when there is none. */
export function sizeOf(path: string): number | null {
  const found = attempt(`The store ${path} can't be looked at`, () => statSync(path, { throwIfNoEntry: false }));
  if (!found) return null;
  if (!found.isFile()) throw new StoreError(`The store ${path} is no file; give the path of one.`);
  return found.size;
}

function startOf(path: string): string {
  const start = Buffer.alloc(MAGIC.length);
  attempt(`The store ${path} can't be read`, () => {
    const file = openSync(path, 'r');
    try {
      readSync(file, start, 0, start.length, 0);
    } finally {
      closeSync(file);
    }
  });
  return start.toString('latin1');
}

function attempt<Result>(problem: string, run: () => Result): Result {
  try {
    return run();
  } catch (cause) {
    throw new StoreError(`${problem}: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}.`, { cause });
  }
}
