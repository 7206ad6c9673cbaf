// Stores rows as fast as it can as a node, whose id is given, until the fence stops it. Its arguments: the folder of
// the built server, the address, the node, and 'locked' or 'unlocked'.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [dist, url, node, mode] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(dist, path)).href);
const { openStore } = await load('database/store-data-source.js');
const { storeOptions } = await load('database/store-options.js');
const { NodeOwnership } = await load('offline-messages/node-ownership.js');
const { OfflineMessageTable } = await load('offline-messages/offline-message.table.js');
const { Statements } = await load('offline-messages/statements.js');

const dataSource = await openStore(storeOptions(url), { id: null });
const statements = new Statements(dataSource);
const { fence } = new NodeOwnership(statements, { id: Number(node) });
const sql = mode === 'locked' ? fence.sql : fence.sql.replace(' FOR KEY SHARE', '');
const table = new OfflineMessageTable(statements, { sql, value: fence.value, probe: fence.probe });

let position = 0;
const row = (user) => ({
  mailbox: user,
  to: user,
  from: 'ann',
  id: `m${(position += 1)}`,
  content: 'x'.repeat(200),
  position,
});
for (;;) {
  const size = position % 7 === 0 ? 1_000 : 100;
  const rows = Array.from({ length: size }, () => ({ ...row(`user${node}`), bytes: 200, sentAt: 1, storedAt: 1 }));
  if ((await table.insert(rows)) === 0) break;
  if (position <= 1_000) process.send('storing');
}
process.send('fenced');
await dataSource.destroy();
