import type { DataSource } from 'typeorm';
import { OfflineMessageTable } from '../../src/offline-messages/offline-message.table.js';
import { Ownership } from '../../src/offline-messages/ownership.js';
import { Statements } from '../../src/offline-messages/statements.js';

/** The table of a store that this process has just made its own. */
export async function ownedTable(store: DataSource): Promise<OfflineMessageTable> {
  const statements = new Statements(store);
  const ownership = new Ownership(statements);
  await ownership.take();
  return new OfflineMessageTable(statements, ownership.token);
}
