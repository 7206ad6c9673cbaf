import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { Random } from '../support/crash-random.js';
import { SEED } from '../support/seed.js';
import { withDeadline } from '../support/deadline.js';
import { PostgresServer } from '../support/postgres-server.js';
import { openStore } from '../../src/database/store-data-source.js';
import { storeOptions } from '../../src/database/store-options.js';
import { Outside } from '../support/store-node.js';

const ROUNDS = Number(process.env['FENCE_ROUNDS'] ?? 4);
const DIST = join(import.meta.dirname, '../../dist');
const WRITER = join(import.meta.dirname, '../support/fence-writer.mjs');

let server: PostgresServer;
let outside: Outside;
let url: string;
let writers: ChildProcess[];
beforeAll(async () => {
  process.stdout.write(`TEST_SEED=${SEED} FENCE_ROUNDS=${ROUNDS} repeats the moments of these stops.\n`);
  server = await PostgresServer.start();
  url = await server.createDatabase();
  await (await openStore(storeOptions(url), { id: null })).destroy();
  outside = await Outside.connect(url);
});
beforeEach(() => {
  writers = [];
});
afterEach(() => {
  for (const writer of writers) writer.kill('SIGKILL');
});
afterAll(async () => {
  await outside.close();
  await server.dispose();
});

const stateOf = (pid: number) => /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1];

/**
 * Stops a node in the middle of its stores, takes over, and lets it go on; returns how many rows came after the
 * takeover.
 */
async function lateRows(mode: 'locked' | 'unlocked', random: Random): Promise<number> {
  const node = await outside.addNode();
  const writer = fork(WRITER, [DIST, url, String(node), mode]);
  writers.push(writer);
  await withDeadline(once(writer, 'message'), () => 'the node stores');
  const fenced = new Promise((resolve) => writer.on('message', (text) => text === 'fenced' && resolve(text)));
  await pass(random.between(0, 100));
  writer.kill('SIGSTOP');
  while (stateOf(writer.pid!) !== 'T') await pass(1);
  await outside.deleteNode(node);
  const count = async () => (await outside.idsFor(`user${node}`)).length;
  const before = await count();
  writer.kill('SIGCONT');
  await withDeadline(fenced, () => 'the node notices that it was fenced');
  return (await count()) - before;
}

it('stores nothing any more once another node has taken over, whenever it was stopped', async () => {
  const random = new Random(SEED);
  for (let round = 0; round < ROUNDS; round += 1) expect(await lateRows('locked', random)).toBe(0);
});

it('would store some without the lock of the fence', async () => {
  const random = new Random(SEED);
  for (let round = 0; round < 40; round += 1) if ((await lateRows('unlocked', random)) > 0) return;
  throw new Error('no row came late');
});
