import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../../src/database/store-data-source.js';
import { storeOptions } from '../../src/database/store-options.js';
import { queryFile } from '../support/crash-server.js';
import { eventually } from '../support/deadline.js';
import { fillRecord } from '../support/record-filler.js';
import { ServerProcess } from '../support/server-process.js';

const MESSAGES = 20_000;
/** Much less than half of what the erasure writes. */
const SOME_BYTES = 1024 * 1024;
/** Each message takes a while, so that the erasure is under way for many seconds, however late it is killed. */
const SLOW = `CREATE TRIGGER slow BEFORE UPDATE ON holdfast_record BEGIN
  SELECT COUNT(*) FROM (WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 5000)
    SELECT n FROM number);
END`;

describe('a user who is being erased when the server is killed', () => {
  let folder: string;
  let file: string;
  let server: ServerProcess;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-erase-'));
    file = join(folder, 'chat.sqlite');
  });
  afterEach(async () => {
    await server.kill();
    await rm(folder, { recursive: true, force: true });
  });

  const start = async () =>
    (server = await ServerProcess.start({ DATABASE_URL: `sqlite:${file}`, CHAT_RECORD_MS: '3600000' }));
  const count = async (condition: string) => {
    const [row] = await queryFile<{ count: number }>(
      file,
      `SELECT COUNT(*) AS count FROM holdfast_record WHERE ${condition}`,
    );
    return row!.count;
  };

  it('is erased by the next one, which goes on where that had come', async () => {
    const store = await openStore(storeOptions(`sqlite:${file}`));
    await fillRecord(store, 'mia', 'bob', MESSAGES, 'y'.repeat(100));
    await store.query(SLOW);
    await store.destroy();
    await start();
    const asked = fetch(`${server.url}/chat/users/mia?authored=blank`, { method: 'DELETE' }).catch(String);
    await eventually(
      async () => (await stat(`${file}-wal`)).size > SOME_BYTES,
      () => 'the erasure is under way',
    );
    await server.kill();
    await asked;
    const left = await count("sender = 'mia'");
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(MESSAGES);
    await queryFile(file, 'DROP TRIGGER slow');

    await start();
    await eventually(
      () => server.written.includes('A user was erased'),
      () => server.written,
      20_000,
    );
    await server.stop();
    expect(await count("sender = 'mia' OR content <> ''")).toBe(0);
    expect(await count("sender LIKE 'erased|%' AND recipient = 'bob'")).toBe(MESSAGES);
    expect(await queryFile(file, 'SELECT * FROM holdfast_erasure')).toEqual([]);
  });
});
