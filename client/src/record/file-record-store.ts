import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { RecordStore } from './record-store.js';

/** Of a file that this version can read. */
const VERSION = 1;

/**
 * Keeps what a client knows of the record in a file, for Node; beside the `store`, which is another file. The file is
 * made if it is not there, and only its owner may read it; its folder has to be there. It is written anew with each
 * change, at most once a second, and holds up to 100 messages of each of 200 conversations, not encrypted. Only one
 * process may use it at a time: that of the store.
 */
export function fileRecord(path: string): RecordStore {
  return new FileRecordStore(path);
}

class FileRecordStore implements RecordStore {
  #kept = new Map<string, unknown>();
  /** Why nothing is written: what is in the file is not this store's. */
  #objection: Error | null = null;

  constructor(private readonly path: string) {}

  async load(): Promise<readonly (readonly [string, unknown])[]> {
    this.#objection = null;
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
    const entries = entriesIn(text);
    if (!entries) throw (this.#objection = new Error('the file is not a record, or one of a later version'));
    this.#kept = new Map(entries);
    return entries;
  }

  async save(entries: readonly (readonly [string, unknown])[]): Promise<void> {
    if (this.#objection) throw this.#objection;
    for (const [key, value] of entries) {
      if (value === null) this.#kept.delete(key);
      else this.#kept.set(key, value);
    }
    const made = `${this.path}.new`;
    await writeFile(made, JSON.stringify({ version: VERSION, entries: [...this.#kept] }), { mode: 0o600 });
    await rename(made, this.path); // A crash leaves the one before.
  }

  async clear(): Promise<void> {
    await this.load(); // It may never have been read, and be somebody else's.
    this.#kept.clear();
    for (const path of [`${this.path}.new`, this.path]) await rm(path, { force: true }); // A crash may leave both.
  }

  async close(): Promise<void> {}
}

function entriesIn(text: string): readonly [string, unknown][] | null {
  try {
    const file = JSON.parse(text) as { version?: unknown; entries?: [string, unknown][] } | null;
    return file?.version === VERSION ? (file.entries ?? null) : null;
  } catch {
    return null; // It was never written by this store, which leaves no half of a file.
  }
}
