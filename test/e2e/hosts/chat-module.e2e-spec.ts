import { Inject, Injectable, Logger, Module, Scope, type OnModuleInit } from '@nestjs/common';
import { inspect } from 'node:util';
import {
  ChatException,
  ChatModule,
  ChatOptionsError,
  ChatService,
  OnChatEvent,
  type Authorize,
  type ChatEvents,
  type ChatModuleOptions,
  type ChatOptionsFactory,
} from '../../../src/index.js';
import { IN_MEMORY } from '../../../src/testing/index.js';
import { eventually } from '../../support/deadline.js';
import { HostApp } from '../../support/host-app.js';
import { ManualClock } from '../../support/manual-clock.js';

let host: HostApp | null = null;

async function start(options: ChatModuleOptions = {}, providers: unknown[] = []): Promise<HostApp> {
  host = await HostApp.start({
    imports: [ChatModule.forRoot({ ...IN_MEMORY, ...options })],
    providers: providers as [],
  });
  return host;
}

const chatOf = (app: HostApp) => app.app.get(ChatService, { strict: false });

afterEach(async () => {
  await host?.close();
  host = null;
});

describe('an application that imports ChatModule', () => {
  @Injectable()
  class Factory implements ChatOptionsFactory {
    createChatOptions(): ChatModuleOptions {
      return { ...IN_MEMORY, maxContentBytes: 10 };
    }
  }

  @Module({ providers: [Factory], exports: [Factory] })
  class SettingsModule {}

  it.each([
    [
      'useFactory',
      { imports: [SettingsModule], inject: [Factory], useFactory: (made: Factory) => made.createChatOptions() },
    ],
    ['an asynchronous useFactory', { useFactory: () => Promise.resolve(new Factory().createChatOptions()) }],
    ['useClass', { useClass: Factory }],
    ['useExisting', { imports: [SettingsModule], useExisting: Factory }],
  ])('gives the options through %s', async (_way, source) => {
    host = await HostApp.start({ imports: [ChatModule.forRootAsync({ ...source, path: '/talk' })] });
    const bob = await host.connect('bob', { path: '/talk' });
    await chatOf(host).send({ from: 'alice', to: 'bob', content: 'short' });
    expect(await bob.next()).toBe('short');
    await expect(chatOf(host).send({ from: 'alice', to: 'bob', content: 'longer than ten' })).rejects.toMatchObject({
      code: 'CONTENT_TOO_LARGE',
    });
    expect(await host.get('/talk/stats')).toMatchObject({ status: 200, body: { connections: 1 } });
  });

  it('injects ChatService everywhere with isGlobal, and only where it is imported without', async () => {
    @Injectable()
    class Feature {
      constructor(@Inject(ChatService) readonly chat: ChatService) {}
    }
    @Module({ providers: [Feature] })
    class FeatureModule {}

    const chat = (isGlobal: boolean) => ChatModule.forRoot({ ...IN_MEMORY, isGlobal });
    await expect(HostApp.start({ imports: [chat(false), FeatureModule] })).rejects.toThrow(/ChatService/);
    host = await HostApp.start({ imports: [chat(true), FeatureModule] });
    expect(host.app.get(Feature, { strict: false }).chat).toBe(chatOf(host));
  });

  it('is told at its start which option is wrong, its value and what to give', async () => {
    await expect(start({ ackWindow: 0 })).rejects.toThrow(
      'ChatModule option ackWindow is 0; give a whole number from 2 to 4096.',
    );
    await expect(start({ authorize: 'yes' as never })).rejects.toThrow(/option authorize is not a function; give one/);
    await expect(start({ nothing: 1 } as never)).rejects.toThrow(/option nothing is not known; known are .*database/);
    await expect(
      HostApp.start({ imports: [ChatModule.forRootAsync({ useFactory: () => undefined as never })] }),
    ).rejects.toThrow(ChatOptionsError);
    expect(() => ChatModule.forRootAsync({ path: '/talk' })).toThrow(
      'ChatModule option useFactory is not given; give it, useClass or useExisting.',
    );
  });

  it.each(['', '/', 'chat', 'chat/', '/chat/:id', '/chat/*', '/chat?x', '/ch at', 'ws://localhost/chat', 5, null])(
    'is told that %p is not a path for the chat',
    (path) => {
      expect(() => ChatModule.forRoot({ path: path as string })).toThrow(
        `ChatModule option path is ${inspect(path)}; give a path such as '/chat', without parameters or a host.`,
      );
    },
  );

  it.each(['path', 'isGlobal'])('is told where to give %s when its factory gives it', async (name) => {
    const imports = [ChatModule.forRootAsync({ useFactory: () => ({ ...IN_MEMORY, [name]: '/talk' }) })];
    await expect(HostApp.start({ imports })).rejects.toThrow(
      `ChatModule option ${name} comes from the factory; give it to forRootAsync, beside the factory.`,
    );
  });

  it('is told so when it imports the class without forRoot, but where the chat is global', async () => {
    await expect(HostApp.start({ imports: [ChatModule] })).rejects.toThrow(/ChatModule was imported without forRoot; /);
    const chat = (isGlobal: boolean) => ChatModule.forRoot({ ...IN_MEMORY, isGlobal });
    await expect(HostApp.start({ imports: [chat(false), ChatModule] })).rejects.toThrow(/without forRoot/);
    host = await HostApp.start({ imports: [ChatModule, chat(true)] });
    expect(await host.get('/chat/stats')).toMatchObject({ status: 200 });
  });

  it('is refused a second chat', async () => {
    const twice = [ChatModule.forRoot(IN_MEMORY), ChatModule.forRoot({ ...IN_MEMORY, path: '/two' })];
    await expect(HostApp.start({ imports: twice })).rejects.toThrow(/ChatModule was made 2 times.*call forRoot once/);
  });

  it('may import one chat in several modules', async () => {
    const chat = ChatModule.forRoot(IN_MEMORY);
    @Module({ imports: [chat] })
    class FeatureModule {}
    host = await HostApp.start({ imports: [chat, FeatureModule] });
    expect(await host.get('/chat/stats')).toMatchObject({ status: 200 });
  });
});

describe('ChatService', () => {
  it('sends, and resolves when the recipient or the disk has it', async () => {
    const chat = chatOf(await start());
    const stored = await chat.send({ from: 'alice', to: 'bob', content: 'while away', id: 'm1' });
    expect(stored).toEqual({ id: 'm1', status: 'stored', sentAt: expect.any(Number) });
    expect(await chat.pending('bob')).toBe(1);
    const bob = await host!.connect('bob');
    expect(await bob.next()).toBe(`${new Date(stored.sentAt).toISOString()}:while away`);
    expect(await chat.send({ from: 'alice', to: 'bob', content: 'live' })).toMatchObject({ status: 'delivered' });
    expect(await chat.send({ from: 'alice', to: 'bob', content: 'again', id: 'm1' })).toEqual(stored);
    expect(await bob.next()).toBe('live');
    await bob.expectNothingElse('bob');
  });

  it('broadcasts', async () => {
    const chat = chatOf(await start());
    const [alice, bob] = [await host!.connect('alice'), await host!.connect('bob')];
    expect(await chat.broadcast({ from: 'system', content: 'hello' })).toMatchObject({
      status: 'broadcast',
      recipients: 2,
    });
    expect([await alice.next(), await bob.next()]).toEqual(['hello', 'hello']);
  });

  it('knows who is there, and ends their connections', async () => {
    const chat = chatOf(await start({ sessions: 'multiple' }));
    const asked = [chat.isOnline('bob'), chat.connections('bob'), chat.disconnect('bob')];
    expect(await Promise.all<unknown>(asked)).toEqual([false, [], 0]);
    const clients = [await host!.connect('bob'), await host!.connect('bob', { protocol: 'json' })];
    expect(await chat.isOnline(' bob ')).toBe(true);
    expect(await chat.connections('bob')).toEqual(
      ['text', 'json'].map((protocol) => ({
        id: expect.any(String),
        user: 'bob',
        protocol,
        remoteAddress: '127.0.0.1',
        connectedAt: expect.any(Number),
        principal: { user: 'bob' },
      })),
    );
    expect(await chat.disconnect('bob', 'see you')).toBe(2);
    for (const client of clients) expect(await client.expectClose(4403)).toMatchObject({ reason: 'see you' });
    expect(await chat.isOnline('bob')).toBe(false);
  });

  it.each([
    ['a recipient that is no name', { to: 'b|b' }, 'BAD_RECIPIENT'],
    ['a sender that is no name', { from: '' }, 'BAD_RECIPIENT'],
    ['no recipient at all', { to: undefined as never }, 'BAD_FRAME'],
    ['half a character', { content: '\ud800' }, 'BAD_FRAME'],
    ['content that is no text', { content: 1 as never }, 'BAD_FRAME'],
    ['an id that is none', { id: 'a b' }, 'BAD_FRAME'],
  ])('refuses %s, with a ChatException', async (_what, wrong, code) => {
    const chat = chatOf(await start());
    const refusal = chat.send({ from: 'alice', to: 'bob', content: 'x', ...wrong });
    await expect(refusal).rejects.toThrow(ChatException);
    await expect(refusal).rejects.toMatchObject({ code, temporary: false });
  });
});

describe('listeners of the application', () => {
  @Injectable()
  class Diary {
    readonly lines: string[] = [];
    private note(name: string, event: object) {
      this.lines.push(
        `${name} ${'id' in event && !('protocol' in event) ? String(event.id) : (event as { user: string }).user}${'online' in event ? ` ${event.online ? 'online' : 'away'}` : ''}`,
      );
    }
    @OnChatEvent('connected') connected(event: ChatEvents['connected']) {
      this.note('connected', event);
    }
    @OnChatEvent('disconnected') async disconnected(event: ChatEvents['disconnected']) {
      await Promise.resolve();
      this.note('disconnected', event);
    }
    @OnChatEvent('accepted') accepted(event: ChatEvents['accepted']) {
      this.note('accepted', event);
    }
    @OnChatEvent('stored') stored(event: ChatEvents['stored']) {
      this.note('stored', event);
    }
    @OnChatEvent('confirmed') confirmed(event: ChatEvents['confirmed']) {
      this.note('confirmed', event);
    }
    @OnChatEvent('expired') expired(event: ChatEvents['expired']) {
      this.note('expired', event);
    }
    @OnChatEvent('purged') purged(event: ChatEvents['purged']) {
      this.note('purged', event);
    }
    @OnChatEvent('evicted') evicted(event: ChatEvents['evicted']) {
      this.note('evicted', event);
    }
  }

  async function startWithDiary(options: ChatModuleOptions = {}): Promise<{ diary: Diary; chat: ChatService }> {
    const app = await start(options, [Diary]);
    return { diary: app.app.get(Diary), chat: chatOf(app) };
  }

  const untilLines = (diary: Diary, ...lines: string[]) =>
    eventually(
      () => lines.every((line) => diary.lines.includes(line)),
      () => `${lines.join(', ')}; there are ${diary.lines.join(', ')}`,
    );

  it('hear of what waits for somebody who is away, and of its end', async () => {
    const { diary, chat } = await startWithDiary();
    await chat.send({ from: 'alice', to: 'bob', content: 'x', id: 'm1' });
    await untilLines(diary, 'accepted m1', 'stored m1 away');
    const bob = await host!.connect('bob');
    await bob.next();
    await untilLines(diary, 'connected bob', 'confirmed m1');
    await chat.send({ from: 'alice', to: 'bob', content: 'x', id: 'm2' });
    await bob.close();
    await untilLines(diary, 'accepted m2', 'confirmed m2', 'disconnected bob away');
    expect(diary.lines.filter((line) => line.startsWith('stored'))).toEqual(['stored m1 away']);
  });

  it('hear that a user is away when all connections that are left are closing', async () => {
    const { diary, chat } = await startWithDiary({ sessions: 'multiple' });
    const clients = [await host!.connect('bob'), await host!.connect('bob')];
    await chat.disconnect('bob');
    for (const client of clients) await client.expectClose(4403);
    await eventually(() => diary.lines.filter((line) => line.startsWith('disconnected')).length === 2);
    expect(diary.lines.slice(2)).toEqual(['disconnected bob away', 'disconnected bob away']);
  });

  it('hear of every other end under its name', async () => {
    const clock = new ManualClock();
    const { diary, chat } = await startWithDiary({
      maxPendingPerUser: 2,
      overflow: 'evict-oldest',
      retentionMs: 10_000,
      clock,
    });
    for (const id of ['m1', 'm2', 'm3']) await chat.send({ from: 'alice', to: 'bob', content: 'x', id });
    await untilLines(diary, 'evicted m1');
    await fetch(`http://127.0.0.1:${host!.port}/chat/pending/bob/alice/m2`, { method: 'DELETE' });
    await untilLines(diary, 'purged m2');
    await eventually(
      () => (clock.advance(3_000), diary.lines.includes('expired m3')),
      () => `m3 expired; there are ${diary.lines.join(', ')}`,
    );
  });

  it('break nothing by throwing or rejecting, and are named in the log', async () => {
    const told: string[] = [];
    @Injectable()
    class Broken {
      @OnChatEvent('accepted') throws(): void {
        throw new Error('first');
      }
      @OnChatEvent('accepted') rejects(): Promise<void> {
        return Promise.reject(new Error('second'));
      }
      @OnChatEvent('accepted') works({ id }: ChatEvents['accepted']): void {
        told.push(id);
      }
    }
    @Injectable({ scope: Scope.REQUEST })
    class OfARequest {
      @OnChatEvent('accepted') never(): void {
        told.push('a request');
      }
    }
    const logged: string[] = [];
    const note = (message: unknown) => void logged.push(String(message));
    Logger.overrideLogger({ log: () => undefined, error: note, warn: note });
    const chat = chatOf(await start({}, [Broken, OfARequest]));
    Logger.overrideLogger({ log: () => undefined, error: note, warn: note });
    await chat.send({ from: 'alice', to: 'bob', content: 'x', id: 'm1' });
    const failures = ['Broken.throws failed: Error: first', 'Broken.rejects failed: Error: second'];
    await eventually(
      () => told.length > 0 && failures.every((line) => logged.includes(line)),
      () => `${failures.join(', ')}; the log has ${logged.join(', ')}`,
    );
    expect(told).toEqual(['m1']);
    Logger.overrideLogger(false);
  });

  it('hear of what the application sends while it starts', async () => {
    const told: string[] = [];
    @Injectable()
    class Early implements OnModuleInit {
      constructor(@Inject(ChatService) private readonly chat: ChatService) {}
      async onModuleInit(): Promise<void> {
        await this.chat.send({ from: 'alice', to: 'bob', content: 'x', id: 'm1' });
      }
      @OnChatEvent('stored') note({ id }: ChatEvents['stored']): void {
        told.push(id);
      }
    }
    await start({}, [Early]);
    await eventually(
      () => told.length === 1,
      () => `m1; there are ${told.join(', ')}`,
    );
  });

  it('hear once of each of their events, by however many tokens they are provided', async () => {
    const told: string[] = [];
    @Injectable()
    class Both {
      @OnChatEvent('accepted')
      @OnChatEvent('stored')
      note({ id }: ChatEvents['accepted']): void {
        told.push(id);
      }
    }
    @Injectable({ scope: Scope.TRANSIENT })
    class OneForEach {
      @OnChatEvent('accepted') never(): void {
        told.push('one for each');
      }
    }
    const app = await start({}, [Both, { provide: 'alias', useExisting: Both }, OneForEach]);
    await chatOf(app).send({ from: 'alice', to: 'bob', content: 'x', id: 'm1' });
    await chatOf(app).send({ from: 'alice', to: 'bob', content: 'x', id: 'm2' });
    await eventually(
      () => told.filter((id) => id === 'm2').length === 2,
      () => `both events of m2; there are ${told.join(', ')}`,
    );
    expect(told).toEqual(['m1', 'm1', 'm2', 'm2']);
  });
});

describe('providers of the application that are not what they seem', () => {
  const told: string[] = [];
  beforeEach(() => told.splice(0));

  @Injectable()
  class Listening {
    readonly name: string = 'Listening';
    @OnChatEvent('accepted') note({ id }: ChatEvents['accepted']): void {
      told.push(`${this.name} ${id}`);
    }
  }
  const fails = (): never => {
    throw new Error('nobody should look');
  };
  const trapped = (...traps: (keyof ProxyHandler<object>)[]) =>
    new Proxy(new Listening(), Object.fromEntries(traps.map((trap) => [trap, fails])));

  /** As Prisma's `$extends`: not an instance of its class, and without the members of its prototype. */
  @Injectable()
  class Extended extends Listening {
    constructor() {
      super();
      return new Proxy(this, { get: (target, key) => (key === 'note' ? undefined : Reflect.get(target, key)) });
    }
  }
  @Injectable()
  class Bound extends Listening {
    override readonly name = 'Bound';
    constructor() {
      super();
      this.note = this.note.bind(this);
    }
  }
  @Injectable()
  class Hiding extends Listening {
    override readonly name = 'Hiding';
    constructor() {
      super();
      Object.assign(this, { note: 'something else' });
    }
  }
  @Injectable()
  class Throwing extends Listening {
    override readonly name = 'Throwing';
    get other(): string {
      return fails();
    }
    static get other(): string {
      return fails();
    }
  }
  @Injectable()
  class Unnamed extends Listening {
    override readonly name = 'Unnamed';
  }
  const frozen = Object.freeze(Object.assign(new Listening(), { name: 'frozen' }));
  const wrapped = Object.assign(new Listening(), { name: 'wrapped' });

  it('do not keep it from starting, and those that listen hear, as themselves', async () => {
    const values = [
      trapped('getPrototypeOf'),
      new Proxy({}, { getPrototypeOf: () => null }),
      // Every property is a function, as in an automatic mock.
      new Proxy({}, { get: (_target, key) => (key === 'then' ? undefined : () => undefined) }),
      Object.create(null) as object,
      Object.create({ constructor: undefined }) as object,
      Object.create(new Proxy({ note: () => undefined }, { ownKeys: fails })) as object,
      new Proxy(class {}, { getPrototypeOf: fails }),
      frozen,
      new Proxy(wrapped, {}),
    ].map((value, index) => ({ provide: `value ${index}`, useFactory: () => value }));
    const providers = [Extended, Bound, Hiding, Throwing, ...values, { provide: 'unnamed', useClass: Unnamed }];
    const app = await start({}, providers);
    await chatOf(app).send({ from: 'alice', to: 'bob', content: 'x', id: 'm1' });
    const names = ['Bound', 'Hiding', 'Listening', 'Throwing', 'Unnamed', 'frozen', 'wrapped'];
    await eventually(
      () => told.length >= names.length,
      () => `all of them; there are ${told.join(', ')}`,
    );
    expect([...told].sort()).toEqual(names.map((name) => `${name} m1`).sort());
  });

  it('are not asked for what Nest does not ask them', async () => {
    const asked: string[] = [];
    const watched = new Proxy(Object.defineProperty(new Listening(), 'other', { get: fails }), {
      get: (target, key) => (asked.push(String(key)), key === 'other' ? fails() : Reflect.get(target, key)),
    });
    const app = await start({}, [{ provide: 'watched', useValue: watched }]);
    expect(asked).not.toContain('note');
    await chatOf(app).send({ from: 'alice', to: 'bob', content: 'x', id: 'm1' });
    await eventually(() => told.length === 1);
    expect(asked).not.toContain('other');
  });
});

describe('authorize', () => {
  it('refuses what the application does not allow, and no more', async () => {
    const asked: unknown[] = [];
    const authorize: Authorize = (request, { user, principal }) => {
      asked.push([request, user, principal]);
      if (request.content === 'throw') throw new Error('a fault of the application');
      return request.to !== undefined && request.to !== 'carol';
    };
    await start({ authorize });
    const [alice, bob] = [await host!.connect('alice', { protocol: 'json' }), await host!.connect('bob')];
    alice.sendJson('send', { to: 'carol', content: 'x', id: 'm1' });
    alice.sendJson('broadcast', { content: 'x', id: 'm2' });
    alice.sendJson('send', { to: 'bob', content: 'throw', id: 'm3' });
    for (const id of ['m1', 'm2', 'm3']) {
      expect((await alice.until('exception')).data).toMatchObject({ code: 'NOT_ALLOWED', temporary: false, id });
    }
    alice.sendJson('send', { to: 'bob', content: 'allowed', id: 'm4' });
    expect((await alice.nextJson('receipts')).data).toMatchObject([{ id: 'm4', status: 'delivered' }]);
    expect(await bob.next()).toBe('allowed');
    const asMessage = { type: 'message', from: 'alice', to: 'carol', content: 'x', id: 'm1' };
    expect(asked[0]).toEqual([asMessage, 'alice', { user: 'alice' }]);
    expect(asked[1]).toMatchObject([{ type: 'broadcast', content: 'x', id: 'm2' }, 'alice', {}]);
    // authorize is not asked about what the application sends itself.
    expect(await chatOf(host!).send({ from: 'alice', to: 'carol', content: 'x' })).toMatchObject({ status: 'stored' });
  });

  it('may change the content, at once or later: that is what is delivered, with the id and in the order of the sender', async () => {
    const authorize: Authorize = ({ content }) => {
      if (content === 'at once') return { content: 'a' };
      if (content === 'later') return Promise.resolve({ content: 'b' });
      return {};
    };
    await start({ authorize });
    const [alice, bob] = [await host!.connect('alice', { protocol: 'json' }), await host!.connect('bob')];
    for (const content of ['later', 'at once', 'as it is']) {
      alice.sendJson('send', { to: 'bob', content, id: content.replaceAll(' ', '-') });
    }
    expect([await bob.next(), await bob.next(), await bob.next()]).toEqual(['b', 'a', 'as it is']);
    const receipts = [];
    while (receipts.length < 3) receipts.push(...(await alice.until('receipts')).data);
    expect(receipts.map(({ id }) => id)).toEqual(['later', 'at-once', 'as-it-is']);
    alice.sendJson('broadcast', { content: 'later' });
    expect(await bob.next()).toMatch(/b$/);
  });

  it('knows what authenticate found out', async () => {
    await start({
      authenticate: () => ({ user: 'alice', team: 'support' }),
      authorize: (_command, { principal }) => (principal as { team: string }).team === 'sales',
    });
    const alice = await host!.connect('alice');
    alice.send('bob|x');
    expect(await alice.next()).toMatch(/^error: NOT_ALLOWED: /);
    expect((await chatOf(host!).connections('alice'))[0]!.principal).toEqual({ user: 'alice', team: 'support' });
  });

  it('may take its time: the frames of a connection keep their order, and others do not wait', async () => {
    const decisions: (() => void)[] = [];
    const authorize: Authorize = (_command, { user }) =>
      user === 'alice' ? new Promise((resolve) => decisions.push(() => resolve(true))) : true;
    await start({ authorize });
    const [alice, bob, carol] = [
      await host!.connect('alice'),
      await host!.connect('bob'),
      await host!.connect('carol'),
    ];
    for (let i = 1; i <= 5; i += 1) alice.send(`bob|${i}`);
    carol.send('bob|of another');
    expect(await bob.next()).toBe('of another');
    for (let i = 1; i <= 5; i += 1) {
      await eventually(
        () => decisions.length === i,
        () => `question ${i}`,
      );
      decisions[i - 1]!();
      expect(await bob.next()).toBe(String(i));
    }
  });

  it('is not waited for longer than ten seconds', async () => {
    const clock = new ManualClock();
    let asked = 0;
    await start({ clock, authorize: () => ((asked += 1), new Promise<boolean>(() => undefined)) });
    const alice = await host!.connect('alice');
    alice.send('bob|x');
    await eventually(
      () => asked === 1,
      () => 'a question',
    );
    clock.advance(10_000);
    expect(await alice.next()).toMatch(/^error: NOT_ALLOWED: /);
  });
});
