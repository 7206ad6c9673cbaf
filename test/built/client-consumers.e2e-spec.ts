import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TestClient } from '../../src/testing/index.js';
import { Consumer } from '../support/consumer-process.js';
import { ServerProcess } from '../support/server-process.js';

const consumer = new Consumer('client-in-node');

/** Each Node that the client promises to run on, as far as it is here, and whether it brings a WebSocket of its own. */
const NODES = [
  { version: 'the Node of these tests', path: process.execPath, hasWebSocket: 'WebSocket' in globalThis },
  ...['22', '24'].map((version) => ({
    version: `Node ${version}`,
    path: join(consumer.folder, `node_modules/node-${version}/bin/node`),
    hasWebSocket: true,
  })),
].filter(({ version, path }) => {
  if (existsSync(path)) return true;
  process.stderr.write(`\n*** NOT TESTED: the client in ${version}, which the registry has for Linux on x64 only.\n\n`);
  return false;
});

describe.each(NODES)('a Node application with the packed client, in $version', ({ path, hasWebSocket }) => {
  let server: ServerProcess;

  beforeAll(async () => {
    server = await ServerProcess.start({ DATABASE_URL: 'sqlite::memory:' });
  });
  afterAll(() => server.stop());

  it.each(hasWebSocket ? ['', 'ws'] : ['ws'])('sends, receives and ends; WebSocket of: "%s"', async (module) => {
    const bob = await TestClient.open(`${server.socketUrl}?user=bob`);
    const ended = consumer.run(path, 'chat.mjs', server.socketUrl, module);
    expect(await bob.next()).toMatch(/see you at noon$/);
    bob.send('alice|yes');
    expect(await ended).toMatch(/^(delivered|stored)\nbob: yes\n$/);
    await bob.close();
  });

  if (hasWebSocket) return;

  it('says what is missing where there is no WebSocket', async () => {
    await expect(consumer.run(path, 'chat.mjs', server.socketUrl)).rejects.toThrow(
      'connect: there is no WebSocket here; give one as the option WebSocket',
    );
  });
});
