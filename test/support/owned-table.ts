import type { DataSource } from 'typeorm';
import { Ownership } from '../../src/offline-messages/ownership.js';
import { PendingListTable } from '../../src/offline-messages/pending-list.table.js';
import { Statements } from '../../src/offline-messages/statements.js';

/** Opens a store as its owner; returns its table, and the one that the lists read. */
export async function ownedTable(store: DataSource): Promise<PendingListTable> {
  const statements = new Statements(store);
  const ownership = new Ownership(statements);
  await ownership.take();
  return new PendingListTable(statements, ownership.fence);
}
