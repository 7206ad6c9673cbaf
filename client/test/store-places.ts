import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileStore } from '../src/file-store.js';
import type { InboxMessage, OutboxEntry } from '../src/store.js';
import type { StorePlace } from '../src/testing.js';

/** A folder of its own, with the path of a store that is not there yet. */
export interface FilePlace extends StorePlace {
  readonly folder: string;
  readonly path: string;
  /** As a person does, or another process. */
  removeLock(): Promise<void>;
}

export async function filePlace(): Promise<FilePlace> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-store-'));
  const path = join(folder, 'alice.log');
  return {
    folder,
    path,
    open: () => fileStore(path),
    removeLock: () => rm(`${path}.lock`),
    remove: () => rm(folder, { recursive: true }),
  };
}

/** A message in the outbox. */
export const entry = (id: string, content = id): OutboxEntry => ({ id, to: 'bob', content, at: 1_000 });

/** A message that came. */
export const message = (id: string): InboxMessage => ({
  id,
  from: 'bob',
  to: 'alice',
  content: 'hi',
  sentAt: '2026-11-23T09:30:00.000Z',
  stored: true,
});

export const idsOf = (items: readonly { readonly id: string }[]): string[] => items.map(({ id }) => id);
