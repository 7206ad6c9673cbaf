import { Inject, Injectable, Logger, Module, type DynamicModule, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import { SignJWT } from 'jose';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ChatModule,
  ChatService,
  ChatWsAdapter,
  jwt,
  OnChatEvent,
  trusted,
  type ChatEvents,
} from '../../../src/index.js';
import { IN_MEMORY, inMemory, TestClient } from '../../../src/testing/index.js';
import { eventually } from '../../support/deadline.js';

const SECRET = 'a secret of thirty-two bytes, or more';
const authenticate = jwt({ secret: SECRET, issuer: 'tests', audience: 'chat' });
const tokenOf = (user: string) =>
  new SignJWT({ sub: user, iss: 'tests', aud: 'chat' }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(SECRET));

let app: INestApplication | null = null;
/** The working directory of the application: by default it writes here. */
let folder: string;
const home = process.cwd();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-host-'));
  process.chdir(folder);
});
afterEach(async () => {
  await app?.close();
  app = null;
  process.chdir(home);
  await rm(folder, { recursive: true, force: true });
});

async function start(builder: TestingModuleBuilder): Promise<INestApplication> {
  app = (await builder.compile()).createNestApplication({ logger: false });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  await app.listen(0, '127.0.0.1');
  return app;
}

/** An application as it is in production, with a store in a file and users who bring tokens. */
function applicationWith(chat: DynamicModule): new () => object {
  @Injectable()
  class Diary {
    readonly stored: string[] = [];
    constructor(@Inject(ChatService) readonly chat: ChatService) {}

    @OnChatEvent('stored') note({ to }: ChatEvents['stored']): void {
      this.stored.push(to);
    }
  }

  @Module({ imports: [chat], providers: [{ provide: 'diary', useClass: Diary }] })
  class AppModule {}
  return AppModule;
}

const OPTIONS = { authenticate, maxContentBytes: 10 };

describe.each([
  ['forRoot', () => ChatModule.forRoot({ ...OPTIONS, path: '/talk' })],
  ['forRootAsync', () => ChatModule.forRootAsync({ path: '/talk', useFactory: () => OPTIONS })],
])('the tests of an AppModule with %s', (_way, chat) => {
  const AppModule = applicationWith(chat());

  it('have its chat in memory and leave no file, with all else as it is', async () => {
    await start(inMemory(Test.createTestingModule({ imports: [AppModule] })));
    const { chat: service, stored } = app!.get<{ chat: ChatService; stored: string[] }>('diary');
    await service.send({ from: 'alice', to: 'bob', content: 'hello' });
    await eventually(() => stored.includes('bob'));
    const bob = await TestClient.connect(app!, 'bob', { path: '/talk', token: await tokenOf('bob') });
    expect(await bob.next()).toMatch(/Z:hello$/);
    await expect(service.send({ from: 'alice', to: 'bob', content: 'longer than ten' })).rejects.toThrow('may have 10');
    await expect(TestClient.connect(app!, 'bob', { path: '/talk' })).rejects.toThrow('refused with 401');
    expect(await readdir(folder)).toEqual([]);
    await bob.close();
  });

  it('change what they want to', async () => {
    await start(inMemory(Test.createTestingModule({ imports: [AppModule] }), { authenticate: trusted, ackWindow: 2 }));
    const bob = await TestClient.connect(app!, 'bob', { path: '/talk', protocol: 'json' });
    bob.sendJson('send', { to: 'bob', content: 'hello' });
    expect((await bob.until('message')).data.content).toBe('hello');
    await bob.close();
  });

  it('are told which option of theirs is wrong', async () => {
    const builder = inMemory(Test.createTestingModule({ imports: [AppModule] }), { ackWindow: 1 });
    await expect(builder.compile()).rejects.toThrow('ChatModule option ackWindow is 1; give');
    await expect(
      inMemory(Test.createTestingModule({ imports: [AppModule] }), { path: '/x' } as object).compile(),
    ).rejects.toThrow('option path is not known');
  });
});

it('an AppModule that is not told so writes its file', async () => {
  await start(Test.createTestingModule({ imports: [applicationWith(ChatModule.forRoot(OPTIONS))] }));
  expect(await readdir(join(folder, 'data'))).toContain('holdfast.sqlite');
});

describe('TestClient', () => {
  it.each(['text', 'json'] as const)('connects with a token, and speaks %s', async (protocol) => {
    await start(Test.createTestingModule({ imports: [ChatModule.forRoot({ ...IN_MEMORY, authenticate })] }));
    const bob = await TestClient.connect(app!, 'bob', { protocol, token: await tokenOf('bob') });
    if (protocol === 'json') await bob.nextJson('caught-up');
    await bob.expectNothingElse('bob');
    await bob.close();
    await expect(TestClient.connect(app!, 'carol', { protocol, token: await tokenOf('bob') })).rejects.toMatchObject({
      status: 403,
    });
  });
});

it('a suite of many chats is warned of nothing', async () => {
  const warned: unknown[] = [];
  const warn = (message: unknown) => void warned.push(message);
  Logger.overrideLogger({ log: () => undefined, error: warn, warn });
  try {
    const whole = applicationWith(ChatModule.forRoot(OPTIONS));
    for (const chat of [whole, ChatModule.forRoot(IN_MEMORY), ChatModule.forRoot(IN_MEMORY), whole]) {
      const module = await inMemory(Test.createTestingModule({ imports: [chat] })).compile();
      await module.close();
    }
  } finally {
    Logger.overrideLogger(false);
  }
  expect(warned).toEqual([]);
});

describe('an application without an HTTP server, such as a script,', () => {
  it('sends, and leaves what waits to the one that has a server', async () => {
    const logged: unknown[] = [];
    const note = (message: unknown) => void logged.push(message);
    Logger.overrideLogger({ log: note, error: note, warn: note });
    const AppModule = applicationWith(ChatModule.forRoot());
    try {
      const script = await NestFactory.createApplicationContext(AppModule, { abortOnError: false });
      const service = script.get(ChatService, { strict: false });
      expect(await service.send({ from: 'alice', to: 'bob', content: 'x' })).toMatchObject({ status: 'stored' });
      expect([await service.pending('bob'), await service.isOnline('bob')]).toEqual([1, false]);
      await script.close();
    } finally {
      Logger.overrideLogger(false);
    }
    expect(logged).toContainEqual(expect.stringMatching(/^There is no HTTP server, so nobody can connect; /));
    await start(Test.createTestingModule({ imports: [AppModule] }));
    const bob = await TestClient.connect(app!, 'bob');
    expect(await bob.next()).toMatch(/Z:x$/);
    await bob.close();
  });

  it('is told of a server that has the store', async () => {
    const AppModule = applicationWith(ChatModule.forRoot());
    await start(Test.createTestingModule({ imports: [AppModule] }));
    await expect(
      NestFactory.createApplicationContext(AppModule, { abortOnError: false, logger: false }),
    ).rejects.toThrow(/is used by another Holdfast; stop that one, .* POST \/chat\/messages/);
  });

  it('may be a testing module alone', async () => {
    const module = await inMemory(
      Test.createTestingModule({ imports: [applicationWith(ChatModule.forRoot())] }),
    ).compile();
    await module.init();
    const service = module.get(ChatService, { strict: false });
    expect(await service.send({ from: 'alice', to: 'bob', content: 'x' })).toMatchObject({ status: 'stored' });
    await module.close();
    expect(await readdir(folder)).toEqual([]);
  });
});
