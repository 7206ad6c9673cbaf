/**
 * Keeps what a client knows of the record: values by key, which are what JSON can hold. It is a copy: what it loses
 * comes from the server again.
 */
export interface RecordStore {
  /** All that is kept. */
  load(): Promise<readonly (readonly [key: string, value: unknown])[]>;
  /** Puts values, and removes the keys of null, all in one step. */
  save(entries: readonly (readonly [key: string, value: unknown])[]): Promise<void>;
  /** Removes everything. */
  clear(): Promise<void>;
  close(): Promise<void>;
}
