import { jest } from '@jest/globals';
import { resolve } from 'node:path';
import { inspect } from 'node:util';
import { titleOf } from '../../../src/database/database-option.js';
import { ChatModule, ChatService, jwt, type ChatModuleOptions } from '../../../src/index.js';
import { IN_MEMORY } from '../../../src/testing/index.js';
import { HostApp } from '../../support/host-app.js';
import { catchLogLines } from '../../support/log-lines.js';

let host: HostApp | null = null;

async function start(options: ChatModuleOptions): Promise<void> {
  host = await HostApp.start({ imports: [ChatModule.forRoot({ ...IN_MEMORY, ...options })] });
}

afterEach(async () => {
  jest.restoreAllMocks();
  await host?.close();
  host = null;
});

describe('an application that starts a chat', () => {
  it.each(['yes', 1, null, 'false'])('is told that isGlobal can not be %p', (isGlobal) => {
    const problem = `ChatModule option isGlobal is ${inspect(isGlobal)}; give true or false.`;
    expect(() => ChatModule.forRoot({ isGlobal: isGlobal as never })).toThrow(problem);
    const useFactory = () => ({});
    expect(() => ChatModule.forRootAsync({ useFactory, isGlobal: isGlobal as never })).toThrow(problem);
  });

  it.each([
    ['mysql://root:hunter2@localhost/chat', /^ChatModule option database begins with 'mysql:'; give sqlite:PATH/],
    ['postgres://chat:hunter2@localhost', /^ChatModule option database names no database; give postgres:/],
    ['postgres://chat:hunter2@localhost/chat\n', /^ChatModule option database begins or ends with a blank or a line/],
    [{ type: 'postgres', url: 'postgres://chat:hunter2@localhost/chat\n' }, /option database\.url begins or ends with/],
    [{ type: 'postgres', password: 'hunter2\r\n' }, /option database\.password begins or ends with/],
    [5, /^ChatModule option database is 5; give the options of a data source, or an address/],
    [true, /^ChatModule option database is true; /],
    [['sqlite:x'], /^ChatModule option database is \[/],
  ])('is told at its start why its database can not be %j, without a password', async (database, problem) => {
    const failure = await start({ database: database as never }).catch((error: unknown) => error as Error);
    expect((failure as Error).message).toMatch(problem);
    expect((failure as Error).stack).not.toContain('hunter2');
  });

  it('is told at its start that a store on SQLite can not be that of a cluster', async () => {
    const failure = await start({ database: 'sqlite::memory:', cluster: true }).catch((error: unknown) => error);
    expect((failure as Error).message).toMatch(
      /^ChatModule option cluster is given, but the store is on (better-)?sqlite3?; give database: 'postgres:/,
    );
  });

  it('may give its database as an address, and says at its start where it is, who may connect and where messages wait', async () => {
    const lines = catchLogLines();
    const ours = () => lines.splice(0).filter((line) => line.includes('the chat is at'));
    await start({ database: 'sqlite::memory:' });
    expect(ours()).toEqual([
      'log Holdfast: the chat is at /chat; users are known by ?user=, and only this machine may connect; messages wait in memory, and are gone with the process',
    ]);
    expect(
      await host!.app.get(ChatService, { strict: false }).send({ from: 'alice', to: 'bob', content: 'x' }),
    ).toMatchObject({ status: 'stored' });
    await host!.close();
    const authenticate = function sessionOf() {
      return null;
    };
    const useFactory = () => ({ ...IN_MEMORY, authenticate });
    host = await HostApp.start({ imports: [ChatModule.forRootAsync({ path: '/talk', useFactory })] });
    expect(ours()).toEqual([expect.stringContaining('is at /talk; users are known by sessionOf; messages')]);
    await host.close();
    const secret = 'x'.repeat(32);
    await start({ authenticate: jwt({ secret, issuer: 'https://issuer.example', audience: 'chat' }) });
    expect(ours()).toEqual([expect.stringContaining('users are known by jwt; ')]);
    await host!.close();
    await start({ insecure: true });
    expect(ours()).toEqual([
      expect.stringContaining('users are known by ?user=, and any machine may connect (insecure); '),
    ]);
  });

  it.each([
    [{ type: 'postgres', url: 'postgres://chat:hunter2@db:5433/talk?password=hunter2' }, 'postgres://db:5433/talk'],
    [{ type: 'postgres', url: 'postgres:///talk?host=/tmp' }, 'postgres://localhost:5432/talk'],
    [{ type: 'postgres', url: 'postgres://chat:hun/ter2@db/talk' }, 'postgres'],
    [{ type: 'postgres', url: 'no address' }, 'postgres'],
    [{ type: 'postgres', url: 'postgres://chat:1/hunter2@db/talk' }, 'postgres'],
    [
      { type: 'postgres', host: 'db', username: 'chat', password: 'hunter2', database: 'talk' },
      'postgres://db:5432/talk',
    ],
    [{ type: 'sqlite', database: '/var/lib/chat.sqlite' }, 'sqlite:/var/lib/chat.sqlite'],
    [{ type: 'better-sqlite3', database: resolve('data/chat.sqlite') }, 'better-sqlite3:data/chat.sqlite'],
  ])('names a store without what opens it: %j', (options, title) => {
    expect(titleOf(options as never)).toBe(title);
  });
});
