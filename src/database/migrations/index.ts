import { CreateOfflineMessages1795412536237 } from './1795412536237-create-offline-messages.js';
import { OrderSentIndexBySender1795642846524 } from './1795642846524-order-sent-index-by-sender.js';
import { CreateStoreState1795688566123 } from './1795688566123-create-store-state.js';

/** In the order in which they run. A list, not a pattern: it is the same in source, build and tests. */
export const migrations = [
  CreateOfflineMessages1795412536237,
  OrderSentIndexBySender1795642846524,
  CreateStoreState1795688566123,
];

/**
 * What makes the tables of the store and brings them up to date, for a data source of yours whose role may do so:
 * `new DataSource({ type: 'postgres', url, ...storeMigrations })`, and its `runMigrations()`. They are counted in a
 * table of their own; a server that finds them run needs no right to make tables.
 */
export const storeMigrations = { migrations, migrationsTableName: 'holdfast_migrations' };
