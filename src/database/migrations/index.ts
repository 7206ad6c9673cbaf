import { CreateOfflineMessages1795412536237 } from './1795412536237-create-offline-messages.js';
import { OrderSentIndexBySender1795642846524 } from './1795642846524-order-sent-index-by-sender.js';
import { CreateStoreState1795688566123 } from './1795688566123-create-store-state.js';
import { CreateNotices1795780000000 } from './1795780000000-create-notices.js';
import { AddMessageExtras1795790000001 } from './1795790000001-add-message-extras.js';
import { CreateLastSeen1796052417306 } from './1796052417306-create-last-seen.js';
import { CreateCluster1796140000000 } from './1796140000000-create-cluster.js';
import { CreateRecord1796200000000 } from './1796200000000-create-record.js';

/** In the order in which they run. A list, not a pattern: it is the same in source, build and tests. */
export const migrations = [
  CreateOfflineMessages1795412536237,
  OrderSentIndexBySender1795642846524,
  CreateStoreState1795688566123,
  CreateNotices1795780000000,
  AddMessageExtras1795790000001,
  CreateLastSeen1796052417306,
  CreateCluster1796140000000,
  CreateRecord1796200000000,
];

/**
 * The migrations that make and update the tables of the store, to be run by a data source of your own whose role may
 * make tables: `new DataSource({ type: 'postgres', url, ...storeMigrations })`, and its `runMigrations()`. They are
 * recorded in a table of their own. A server that finds them applied needs no right to make tables.
 */
export const storeMigrations = { migrations, migrationsTableName: 'holdfast_migrations' };
