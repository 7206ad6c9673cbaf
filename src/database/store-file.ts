import {
  accessSync,
  constants,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** Symbolic links that lead to a file, at most, as on Linux. */
const MAX_LINKS = 40;
/** SQLite cannot open a path that is longer than 512 bytes with the suffixes it appends. */
const MAX_PATH_BYTES = 500;
/** The files beside that of a store: the log, its index, the journal of a first start, the lock and the ballast. */
const BESIDE = ['-wal', '-shm', '-journal', '.lock', '.ballast'];

/** The store cannot be used. The message tells the operator why, and what to do. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}

/** What is at the path of a store. A first start that was killed leaves an empty file. */
export type FoundFile = 'nothing' | 'empty' | 'database';

/**
 * Returns the real path of a store, with all links resolved: SQLite keeps its log beside that, and the store its lock.
 * Makes a missing folder; throws a StoreError when it cannot.
 */
export function realPathOf(given: string): string {
  let path = resolve(given);
  for (let links = 0; ; links += 1) {
    const folder = dirname(path);
    attempt(`The folder ${folder} of the store can't be made`, () => makeFolder(folder));
    path = join(
      attempt(`The folder ${folder} of the store can't be found`, () => realpathSync.native(folder)),
      basename(path),
    );
    const target = attempt(`The store ${given} can't be looked at`, () => linkAt(path));
    if (target === null) break;
    if (links === MAX_LINKS)
      throw new StoreError(`The store ${given} is a link that leads to itself; give the path of a file.`);
    path = resolve(dirname(path), target);
  }
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new StoreError(`The path of the store is longer than ${MAX_PATH_BYTES} bytes; give a shorter one.`);
  }
  return path;
}

/**
 * Inspects the file of a store before SQLite opens it. SQLite makes a new database where it finds none: it silently
 * replaces a missing file, and with an empty file it deletes the log with the last commits. Opens nothing, because
 * closing the file again would drop all locks that this process has on it. Throws a StoreError when a store cannot be
 * here.
 */
export function inspectFile(path: string): FoundFile {
  const size = sizeOf(path);
  const besides = BESIDE.filter((suffix) => sizeOf(path + suffix) !== null).map((suffix) => path + suffix);
  if (size === null || size === 0) {
    if ((sizeOf(`${path}-wal`) ?? 0) > 0) {
      throw new StoreError(
        `The store ${path} is ${size === null ? 'missing' : 'empty'}, but its log ${path}-wal holds messages; put the file back that belongs to it, or move the log away.`,
      );
    }
  }
  if (size !== null) expectOneName(path);
  for (const file of size === null ? besides : [path, ...besides]) {
    attempt(`The store ${file} can't be read and written`, () => accessSync(file, constants.R_OK | constants.W_OK));
  }
  const folder = dirname(path);
  attempt(`The folder ${folder} of the store can't be written to, and the log of the store has to be in it`, () =>
    accessSync(folder, constants.W_OK | constants.X_OK),
  );
  if (size === null) return 'nothing';
  return size === 0 ? 'empty' : 'database';
}

/** Returns the length of a file in bytes; null when there is none. */
export function sizeOf(path: string): number | null {
  const found = attempt(`The store ${path} can't be looked at`, () => statSync(path, { throwIfNoEntry: false }));
  if (!found) return null;
  if (!found.isFile()) throw new StoreError(`The store ${path} is not a regular file; give the path of one.`);
  return found.size;
}

/** Throws when the file has a second name or is mounted alone: under each name it would have a log of its own. */
function expectOneName(path: string): void {
  const folder = dirname(path);
  const { nlink, dev } = statSync(path, { bigint: true });
  if (nlink > 1n) {
    throw new StoreError(
      `The store ${path} has ${nlink} names (hard links), and SQLite would keep a log for each; delete the others, or give the path of a copy.`,
    );
  }
  if (dev !== statSync(folder, { bigint: true }).dev || isMounted(path)) {
    throw new StoreError(
      `The store ${path} is mounted by itself, and its log beside it would stay behind; mount the folder ${folder} instead.`,
    );
  }
}

/**
 * Returns whether something is mounted at this path: only the list of mounts shows a file that is bound from the same
 * disk.
 */
function isMounted(path: string): boolean {
  let mounts: string;
  try {
    mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return false; // Not on Linux.
  }
  const unescaped = (text = '') => text.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
  return mounts.split('\n').some((line) => unescaped(line.split(' ')[4]) === path);
}

/** Not `recursive`: where a folder exists but allows no new folder in it, such as /proc, Node retries for ever. */
function makeFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  if (!statSync(dirname(folder), { throwIfNoEntry: false })) makeFolder(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (cause) {
    // Another process may have made it meanwhile.
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw cause;
  }
}

function linkAt(path: string): string | null {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(path) : null;
}

/** Runs `run`; throws a StoreError with the problem and the system's error code when it fails. */
export function attempt<Result>(problem: string, run: () => Result): Result {
  try {
    return run();
  } catch (cause) {
    throw new StoreError(`${problem}: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}.`, { cause });
  }
}
