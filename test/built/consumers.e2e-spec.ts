import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestClient } from '../../src/testing/index.js';
import { Consumer, ConsumerProcess } from '../support/consumer-process.js';
import { eventually } from '../support/deadline.js';
import { PostgresProxy } from '../support/postgres-proxy.js';
import { PostgresServer } from '../support/postgres-server.js';
import { RedisServer } from '../support/redis-server.js';

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

describe('two processes of an application', () => {
  let postgres: PostgresServer;
  let redis: RedisServer;
  /** The port of Redis. */
  let proxy: PostgresProxy;
  const busUrl = () => `redis://127.0.0.1:${proxy.port}`;
  const nodes: ConsumerProcess[] = [];

  beforeAll(async () => {
    [postgres, redis] = await Promise.all([PostgresServer.start(), RedisServer.start()]);
    proxy = await PostgresProxy.start(redis.socket);
  });
  afterEach(() => Promise.all(nodes.splice(0).map((node) => node.kill())));
  afterAll(async () => {
    await proxy.close();
    await redis.dispose();
    await postgres.dispose();
  });

  /** Starts both on a database of their own, and waits until they hear each other. */
  async function startTwo(consumer: string, program: string, env: NodeJS.ProcessEnv) {
    const DATABASE_URL = await postgres.createDatabase();
    const start = async () => {
      const node = await new Consumer(consumer).start(program, { ...env, DATABASE_URL });
      nodes.push(node);
      return node;
    };
    const [one, two] = [await start(), await start()];
    const seenBy = async (node: ConsumerProcess) =>
      ((await node.get('/chat/stats')) as { nodes: unknown[] }).nodes.length;
    await eventually(async () => (await seenBy(one)) === 2 && (await seenBy(two)) === 2);
    return { one, two };
  }

  it.each([
    ['Postgres', () => ({})],
    ['Redis', () => ({ BUS_URL: busUrl() })],
  ])(
    'are one chat beside its own tables, with %s as the bus: they send, commit, ask, disconnect and end',
    async (_bus, bus) => {
      const { one, two } = await startTwo('nest-12-express', 'office', bus());
      const [alice, bob] = [await one.connect('alice'), await two.connect('bob')];
      alice.send('bob|are you there?');
      expect(await bob.next()).toMatch(/are you there\?$/);
      bob.send('alice|yes');
      expect(await alice.next()).toMatch(/yes$/);

      const greeting = (await one.request('POST', '/people/bob/greetings')) as { status: string };
      expect(greeting.status).toMatch(/^(delivered|stored)$/);
      expect(await bob.next()).toMatch(/hello$/);
      await one.request('POST', '/people/bob/notes');
      expect(await bob.next()).toMatch(/noted$/);
      const there = { online: true, connections: ['bob'], notes: 1 };
      expect(await one.get('/people/bob')).toEqual(there);
      expect(await two.get('/people/bob')).toEqual(there);

      const closed = bob.expectClose(4403);
      expect(await one.request('DELETE', '/people/bob/connections')).toEqual({ closed: 1 });
      await closed;
      await eventually(async () => !((await one.get('/people/bob')) as { online: boolean }).online);

      const going = alice.expectClose(1001);
      expect(await one.stop()).toBe(0);
      await going;
      (await two.connect('alice')).send('bob|see you at noon');
      expect(await (await two.connect('bob')).next()).toMatch(/see you at noon$/);
    },
  );

  it('are one chat with the lowest versions that the package allows', async () => {
    const { one, two } = await startTwo('nest-11-commonjs', 'main', { BUS_URL: busUrl() });
    const [alice, bob] = [await one.connect('alice'), await two.connect('bob')];
    alice.send('bob|are you there?');
    expect(await bob.next()).toMatch(/are you there\?$/);
    bob.send('alice|yes');
    expect(await alice.next()).toMatch(/yes$/);
    expect(await one.get('/people/bob')).toMatchObject({ online: true });
  });
});

/** Optional packages that Nest and TypeORM import, and the drivers, which are not JavaScript. */
const OUTSIDE = [
  'sqlite3',
  'better-sqlite3',
  '@nestjs/microservices',
  '@nestjs/mongoose',
  '@nestjs/platform-socket.io',
  '@nestjs/sequelize',
  '@mikro-orm/core',
  'class-validator',
  'class-transformer',
];

/** A bundle of modules needs this for the CommonJS in it. */
const FOR_REQUIRE = `import { createRequire as requireFrom } from 'node:module';
const require = requireFrom(import.meta.url);
const [__filename, __dirname] = [import.meta.filename, import.meta.dirname];`;

const BUNDLED_HOST = `
  import 'reflect-metadata';
  import { Module } from '@nestjs/common';
  import { NestFactory } from '@nestjs/core';
  import { ChatModule, ChatWsAdapter } from 'holdfast';

  class AppModule {}
  Module({ imports: [ChatModule.forRoot({ database: { type: 'TYPE', database: 'chat.sqlite' } })] })(AppModule);

  NestFactory.create(AppModule).then(async (app) => {
    app.useWebSocketAdapter(new ChatWsAdapter(app));
    let closing;
    process.on('SIGTERM', () => void (closing ??= app.close()));
    await app.listen(0, '127.0.0.1');
    console.log('listening on ' + (await app.getUrl()));
  });
`;

describe('an application of CommonJS, with the lowest versions that the package allows', () => {
  const consumer = new Consumer('nest-11-commonjs');

  it('tests its chat with its own jest', async () => {
    await consumer.run('npm', 'test', '--silent');
  });

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

  it.each([
    ['CommonJS', 'sqlite', ['--format=cjs']],
    ['CommonJS, minified', 'better-sqlite3', ['--format=cjs', '--minify']],
    ['modules', 'sqlite', ['--format=esm', `--banner:js=${FOR_REQUIRE}`]],
  ])('relays as a bundle of %s, with the driver %s outside of it', async (_what, type, args) => {
    const [host, bundle] = ['host.mjs', args.includes('--format=esm') ? 'bundle.mjs' : 'bundle.cjs'].map((file) =>
      join(consumer.folder, 'dist', file),
    ) as [string, string];
    writeFileSync(host, BUNDLED_HOST.replace('TYPE', type));
    const outside = OUTSIDE.map((name) => `--external:${name}`);
    const bundler = join(ROOT, 'tools/node_modules/.bin/esbuild');
    await consumer.run(bundler, host, '--bundle', '--platform=node', `--outfile=${bundle}`, ...args, ...outside);
    const application = new ConsumerProcess(bundle);
    try {
      await application.listening();
      const alice = await application.connect('alice');
      alice.send('bob|see you at noon');
      const bob = await application.connect('bob');
      expect(await bob.next()).toMatch(/see you at noon$/);
      const closes = [alice.expectClose(1001), bob.expectClose(1001)];
      expect(await application.stop()).toBe(0);
      await Promise.all(closes);
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
    const driver = ['better-sqlite3', 'sqlite3'];
    expect(dependencies).toMatchObject(Object.fromEntries(lowest.filter(([name]) => !driver.includes(name!))));
  });
});

describe('the starter', () => {
  it('tests its whole application with the vitest that it came with', async () => {
    await new Consumer('starter').run('npm', 'run', '--silent', 'test:e2e', '--', 'test/chat');
  });

  it('asks for all that `nest new` asks for (if not, npm run consumers:lock)', () => {
    const { folder } = new Consumer('starter');
    const read = (path: string) => JSON.parse(readFileSync(join(folder, path), 'utf8')) as object;
    expect(read('package.json')).toMatchObject(read('.generated/package.json'));
  });
});
