import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestClient } from '../../src/testing/index.js';
import { Consumer, type ConsumerProcess } from '../support/consumer-process.js';
import { eventually } from '../support/deadline.js';

const ROOT = join(import.meta.dirname, '../..');
const BUILD_MS = 150_000;

const filesOf = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]),
  );

describe.each(['nest-12-express', 'nest-11-commonjs', 'starter'])('the package in %s', (name) => {
  const consumer = new Consumer(name);
  let application: ConsumerProcess | null = null;

  beforeAll(() => consumer.run('npm', 'run', '--silent', 'build'), BUILD_MS);
  afterEach(async () => {
    await application?.kill();
    application = null;
  });

  it('is what was built here (if not, npm run prepare:tests)', () => {
    expect(filesOf(join(consumer.folder, 'node_modules/holdfast/dist'))).toEqual(filesOf(join(ROOT, 'dist')));
  });

  it('has all that it depends on, in the versions that it asks for', async () => {
    const { problems } = JSON.parse(await consumer.run('npm', 'ls', 'holdfast', '--json')) as { problems?: string[] };
    expect(problems).toBeUndefined();
  });

  it('relays, keeps what has to wait, answers REST and ends in order', async () => {
    application = await consumer.start();
    const [alice, bob] = [await application.connect('alice'), await application.connect('bob')];
    alice.send('bob|are you there?');
    expect(await bob.next()).toBe('are you there?');
    bob.send('alice|yes');
    expect(await alice.next()).toBe('yes');
    await bob.close();
    await eventually(async () => !((await application!.get('/chat/users/bob')) as { online: boolean }).online);

    alice.send('bob|see you at noon');
    const waiting = async () => (await application!.get('/chat/pending/bob')) as { items: { content: string }[] };
    await eventually(async () => (await waiting()).items[0]?.content === 'see you at noon');
    if (name !== 'starter') {
      expect(await application.get('/people/bob')).toEqual({ online: false, pending: 1, missed: 1 });
    }
    const back = await application.connect('bob');
    expect(await back.next()).toMatch(/^\d{4}-[\dT:.-]+Z:see you at noon$/);

    const closes = [alice.expectClose(1001), back.expectClose(1001)];
    expect(await application.stop()).toBe(0);
    await Promise.all(closes);
  });
});

describe('an application with a gateway of its own', () => {
  it('gets clients that are of the WebSocket which it imports', async () => {
    const application = await new Consumer('nest-12-express').start();
    try {
      const client = await TestClient.open(`ws://127.0.0.1:${application.port}/kind`);
      expect(await client.next()).toBe('a WebSocket');
      await client.close();
    } finally {
      await application.kill();
    }
  });
});

describe('an application of CommonJS, with the lowest versions that the package allows', () => {
  const consumer = new Consumer('nest-11-commonjs');

  it('tests its chat with its own jest', async () => {
    await consumer.run('npm', 'test', '--silent');
  }, 90_000);

  it('has the description, the health and the metrics', async () => {
    const application = await consumer.start();
    try {
      expect(await application.get('/docs-json')).toMatchObject({ paths: { '/chat/pending': expect.anything() } });
      expect(await application.get('/health/ready')).toMatchObject({ status: 'ok' });
      expect(await application.get('/metrics')).toContain('holdfast_messages_pending');
    } finally {
      await application.kill();
    }
  });

  it('has the lowest', () => {
    const { peerDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      peerDependencies: Record<string, string>;
    };
    const { dependencies } = JSON.parse(readFileSync(join(consumer.folder, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const lowest = Object.entries(peerDependencies).map(([name, range]) => [name, /\d+\.\d+\.\d+/.exec(range)![0]]);
    // Native drivers come compiled with the project, in one version each.
    const driver = ['better-sqlite3', 'pg', 'sqlite3'];
    expect(dependencies).toMatchObject(Object.fromEntries(lowest.filter(([name]) => !driver.includes(name!))));
  });
});

describe('the starter', () => {
  it('tests its whole application with the vitest that it came with', async () => {
    await new Consumer('starter').run('npm', 'run', '--silent', 'test:e2e', '--', 'test/chat');
  }, 90_000);

  it('asks for all that `nest new` asks for (if not, npm run consumers:lock)', () => {
    const { folder } = new Consumer('starter');
    const read = (path: string) => JSON.parse(readFileSync(join(folder, path), 'utf8')) as object;
    expect(read('package.json')).toMatchObject(read('.generated/package.json'));
  });
});
