import { constants } from 'node:fs';
import * as fileSystem from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LockFile } from './lock-file.js';
import { LogState, type LogRecord } from './log-state.js';

/** First line of the file. A later version that cannot be read by this one has another. */
const HEAD = '{"holdfast-client":1}';

/** The file is made anew when it is twice as long as after the last time, and this much, in bytes. */
const SLACK_BYTES = 1 << 20;

/** Not made if it is not there: somebody has removed the file then. */
const APPEND = constants.O_WRONLY | constants.O_APPEND;

/** The calls of the file system that are used. Tests give some that fail. */
export type Files = Pick<
  typeof fileSystem,
  'appendFile' | 'open' | 'readFile' | 'realpath' | 'rename' | 'rm' | 'truncate' | 'writeFile'
>;

/**
 * The file of a store: a line of JSON for each record, which is on the disk when `write` resolves. What a crash has torn
 * was never said to be written, and is skipped. After any failure nobody knows what the disk has, so the next write
 * makes the file anew, beside the old one, and renames it over that.
 */
export class LogFile {
  /** Whether the file says what the state does. It is false after a crash or a failure. */
  #isSound = true;
  #bytes = 0;
  #maxBytes = SLACK_BYTES;

  private constructor(
    private readonly path: string,
    private readonly lock: LockFile,
    private readonly files: Files,
  ) {}

  /** Locks the file, which need not be there yet. Rejects when another process has it. */
  static async open(path: string, files: Files = fileSystem): Promise<LogFile> {
    // Two ways to write a path lead to one lock.
    const real =
      (await unlessMissing(files.realpath(path))) ?? join(await files.realpath(dirname(path)), basename(path));
    return new LogFile(real, await LockFile.acquire(`${real}.lock`), files);
  }

  /** What the file says. Rejects when it is not a store. */
  async read(): Promise<LogState> {
    const state = new LogState();
    const text = await unlessMissing(this.files.readFile(this.path));
    this.#bytes = text?.length ?? 0;
    if (!text || this.#bytes === 0) {
      this.#isSound = false;
      return state;
    }
    const [head, ...lines] = text.toString().split('\n');
    if (head !== HEAD) throw new Error('the file is not a store, or one of a later version');
    const isTorn = lines.pop() !== '';
    const records = lines.map(parsed);
    for (const record of records) if (record) state.apply(record);
    if (isTorn || records.includes(null)) this.#isSound = false;
    return state;
  }

  /** Resolves when the records are on the disk. `state` says the same as the file and the records. */
  async write(records: readonly LogRecord[], state: LogState): Promise<void> {
    await this.lock.check();
    const text = linesOf(records);
    const bytes = Buffer.byteLength(text);
    const isAppended = this.#isSound && this.#bytes + bytes <= this.#maxBytes && !records.some(isClear);
    this.#isSound = false;
    if (isAppended) await this.#append(text, bytes);
    else await this.#makeAnew(linesOf(state.records()));
    this.#isSound = true;
  }

  /** Lets others have the file. */
  async close(): Promise<void> {
    await this.lock.release();
  }

  async #append(text: string, bytes: number): Promise<void> {
    try {
      await this.files.appendFile(this.path, text, { flag: APPEND, flush: true });
      this.#bytes += bytes;
    } catch (error) {
      // If this fails as well, messages that were refused may be there after a restart, which does no harm.
      await this.files.truncate(this.path, this.#bytes).catch(() => undefined);
      throw error;
    }
  }

  async #makeAnew(lines: string): Promise<void> {
    const text = `${HEAD}\n${lines}`;
    const made = `${this.path}.new`;
    await this.files.rm(made, { force: true });
    try {
      await this.files.writeFile(made, text, { flag: 'wx', mode: 0o600, flush: true });
      await this.files.rename(made, this.path);
    } catch (error) {
      await this.files.rm(made, { force: true }).catch(() => undefined); // It may hold the last room of the disk.
      throw error;
    }
    this.#bytes = Buffer.byteLength(text);
    this.#maxBytes = this.#bytes * 2 + SLACK_BYTES;
    await this.#flushFolder();
  }

  /** Until then a crash of the machine may undo the renaming. */
  async #flushFolder(): Promise<void> {
    if (process.platform === 'win32') return; // It does not let anybody open a folder.
    const folder = await this.files.open(dirname(this.path));
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}

const isClear = (record: LogRecord) => 'clear' in record;

function linesOf(records: readonly LogRecord[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}

function parsed(line: string): LogRecord | null {
  try {
    const record = JSON.parse(line) as unknown;
    return typeof record === 'object' ? (record as LogRecord | null) : null;
  } catch {
    return null; // A crash has torn it.
  }
}

async function unlessMissing<T>(found: Promise<T>): Promise<T | null> {
  try {
    return await found;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
