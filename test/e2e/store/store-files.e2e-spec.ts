import { jest } from '@jest/globals';
import { Inject, Injectable, Module, type ModuleMetadata, type OnModuleInit } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { existsSync, statSync } from 'node:fs';
import { copyFile, link, mkdir, mkdtemp, readdir, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChatModule } from '../../../src/chat/chat.module.js';
import type { ChatModuleOptions } from '../../../src/chat/chat-module.options.js';
import { ChatService } from '../../../src/chat/chat.service.js';
import { ChatWsAdapter } from '../../../src/gateway/chat-ws.adapter.js';
import { openStore, readerOf, reopenStore } from '../../../src/database/store-data-source.js';
import { storeOptions } from '../../../src/database/store-options.js';
import { OfflineMessageService } from '../../../src/offline-messages/offline-message.service.js';
import { runBeside } from '../../support/beside.js';
import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { LockHolder } from '../../support/lock-holder.js';
import { catchLogLines } from '../../support/log-lines.js';
import { interceptStatements } from '../../support/statements.js';

const OTHER = { sqlite: 'better-sqlite3', 'better-sqlite3': 'sqlite' } as const;
const LOGS = ['-wal', '-shm'];

describe.each(['sqlite', 'better-sqlite3'] as const)('the file of a store, by %s', (driver) => {
  let folder: string;
  let file: string;
  let chat: ChatApp | null;
  let holder: LockHolder | null;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-files-'));
    file = join(folder, 'holdfast.sqlite');
    chat = null;
    holder = null;
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await holder?.release();
    await chat?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const start = async (path = file, type: string = driver) =>
    (chat = await ChatApp.start({}, folder, `${type}:${path}`));

  async function expectRefused(path: string, sentence: RegExp, type: string = driver): Promise<void> {
    await expect(openStore(storeOptions(`${type}:${path}`))).rejects.toMatchObject({
      name: 'StoreError',
      message: expect.stringMatching(sentence),
    });
  }

  /** Tries to open the store as another server would. */
  const lockBeside = () => runBeside(`${file}.lock`, "database.exec('BEGIN EXCLUSIVE')");

  /** Sends a message to carol; returns the status. */
  async function send(id: string): Promise<number> {
    return (await chat!.rest('POST', '/chat/messages', { from: 'alice', to: 'carol', content: 'x', id })).status;
  }

  async function waiting(): Promise<string[]> {
    const { body } = await chat!.rest('GET', '/chat/pending/carol');
    return (body.items as { id: string }[]).map(({ id }) => id);
  }

  async function untilReady(ready: boolean): Promise<void> {
    await eventually(
      async () => ((await chat!.rest('GET', '/health/ready')).status === 200) === ready,
      () => `it is ${ready ? '' : 'not '}ready`,
    );
  }

  /** The log line of the first failure of the store. */
  function saidOf(lines: readonly string[]): string[] {
    return lines.filter((line) => line.startsWith('error OfflineMessages: '));
  }

  async function restart(): Promise<void> {
    await chat!.stop();
    await start();
  }

  describe('is one store, however it is spelt:', () => {
    beforeEach(() => start());

    it.each([
      ['a symbolic link to it', async () => (await symlink(file, join(folder, 'link')), join(folder, 'link'))],
      [
        'a link to a link',
        async () => {
          await symlink('holdfast.sqlite', join(folder, 'one'));
          await symlink(join(folder, 'one'), join(folder, 'two'));
          return join(folder, 'two');
        },
      ],
      [
        'a link to its folder',
        async () => (await symlink('.', join(folder, 'here')), join(folder, 'here/here/holdfast.sqlite')),
      ],
      ['dots on the way', async () => (await mkdir(join(folder, 'sub')), `${folder}/sub/.././holdfast.sqlite`)],
      ['two slashes', () => Promise.resolve(`${folder}//holdfast.sqlite`)],
    ])('%s is refused while it is open, to both drivers', async (_spelling, make) => {
      const path = await make();
      await expectRefused(path, /is used by another Holdfast/);
      await expectRefused(path, /is used by another Holdfast/, OTHER[driver]);
      // These attempts in the same process have not taken the lock away from its holder.
      expect(await lockBeside()).toBe('SQLITE_BUSY');
      expect(await send('m1')).toBe(201);
    });

    it('moved to another name it is refused there, and goes on when it is back', async () => {
      const moved = join(folder, 'moved.sqlite');
      await rename(file, moved);
      await expectRefused(moved, /is used by another Holdfast/);
      await expectRefused(moved, /is used by another Holdfast/, OTHER[driver]);
      await rename(moved, file);
      await untilReady(true);
    });
  });

  it('is locked for a link that leads to it before it is there', async () => {
    await mkdir(join(folder, 'data'));
    await symlink('data/holdfast.sqlite', file);
    await start(file);
    expect((await readdir(join(folder, 'data'))).sort()).toEqual(
      ['', '-shm', '-wal', '.lock'].map((suffix) => `holdfast.sqlite${suffix}`),
    );
    expect(existsSync(`${file}.lock`)).toBe(false);
    await expectRefused(join(folder, 'data/holdfast.sqlite'), /is used by another Holdfast/, OTHER[driver]);
    expect(await send('m1')).toBe(201);
    await restart();
    expect(await waiting()).toEqual(['m1']);
  });

  it('with two names is refused, as each would have a log of its own', async () => {
    await start();
    await chat!.stop();
    await link(file, join(folder, 'second.sqlite'));
    await expectRefused(file, /has 2 names \(hard links\), and SQLite would keep a log for each; delete the others/);
    await expectRefused(join(folder, 'second.sqlite'), /has 2 names/);
    await unlink(join(folder, 'second.sqlite'));
    await start();
  });

  describe('that goes away under the server', () => {
    let lines: string[];
    beforeEach(async () => {
      await start();
      await send('m1');
      lines = catchLogLines();
    });

    it.each([
      [
        'moved away',
        () => rename(file, `${file}.away`),
        () => rename(`${file}.away`, file),
        /has gone while it was open; put the same file back/,
      ],
      [
        'replaced by a copy',
        async () => {
          await copyFile(file, `${file}.copy`);
          await rename(file, `${file}.away`);
          await rename(`${file}.copy`, file);
        },
        () => rename(`${file}.away`, file),
        /is another file than the one that was opened; put that one back/,
      ],
      [
        'moved away with all that belongs to it',
        async () => {
          await mkdir(join(folder, 'away'));
          for (const suffix of ['', ...LOGS, '.lock']) await rename(file + suffix, join(folder, `away/x${suffix}`));
        },
        async () => {
          for (const suffix of ['', ...LOGS, '.lock']) await rename(join(folder, `away/x${suffix}`), file + suffix);
        },
        /has gone while it was open; put the same file back/,
      ],
      [
        'replaced by a folder',
        async () => {
          await rename(file, `${file}.away`);
          await mkdir(file);
        },
        async () => {
          await rm(file, { recursive: true });
          await rename(`${file}.away`, file);
        },
        /is another file than the one that was opened/,
      ],
    ])(
      '%s is noticed before anybody sends, refuses messages, and goes on when it is back',
      async (_how, take, putBack, said) => {
        await take();
        await eventually(() => !chat!.app.get(OfflineMessageService).isHealthy); // The server finds out by itself within a second.
        expect((await chat!.rest('GET', '/health/ready')).status).toBe(503);
        expect(await send('m2')).toBe(503);
        expect(await send('m3')).toBe(503);
        expect(saidOf(lines)).toEqual([expect.stringMatching(said)]);
        await putBack();
        await untilReady(true);
        expect(await send('m4')).toBe(201);
        await restart();
        expect(await waiting()).toEqual(['m1', 'm4']);
      },
    );

    it('gives no receipt for what was committed to a file that had gone by then', async () => {
      await rename(file, `${file}.away`);
      expect(await send('m2')).toBe(503);
      await rename(`${file}.away`, file);
      await untilReady(true);
      expect(await waiting()).toEqual(['m1']);
    });

    it.each([[LOGS], [['-wal']], [['-shm']]])(
      'but for %p: what was in them is carried over, and all goes on',
      async (suffixes) => {
        for (const suffix of suffixes) await unlink(file + suffix);
        // The first send may meet it before the second has passed.
        await eventually(async () => (await send('m2')) === 201 || (await send('m2')) === 200);
        await untilReady(true);
        expect(suffixes.map((suffix) => existsSync(file + suffix))).toEqual(suffixes.map(() => true));
        expect(lines).toContainEqual(
          expect.stringMatching(/^warn Store: .* had gone or was replaced; what the open store/),
        );
        await restart();
        expect(await waiting()).toEqual(['m1', 'm2']);
      },
    );

    it('whose log was replaced by an older one: that is not taken for the newest', async () => {
      await copyFile(`${file}-wal`, join(folder, 'older'));
      expect(await send('m2')).toBe(201);
      await rename(join(folder, 'older'), `${file}-wal`);
      await untilReady(false);
      await untilReady(true);
      expect(await send('m3')).toBe(201);
      await restart();
      expect(await waiting()).toEqual(['m1', 'm2', 'm3']);
    });

    it('but for its lock, which is taken anew', async () => {
      await unlink(`${file}.lock`);
      await untilReady(false);
      await untilReady(true);
      expect(lines).toContainEqual(
        expect.stringMatching(/^warn Store: The lock .* had gone or was replaced; it was taken/),
      );
      expect(await lockBeside()).toBe('SQLITE_BUSY');
      expect(await send('m2')).toBe(201);
    });

    it('but for its lock, which another server has taken: nothing is stored until that has ended', async () => {
      await unlink(`${file}.lock`);
      holder = await LockHolder.start(`${file}.lock`, 'BEGIN EXCLUSIVE');
      await untilReady(false);
      await eventually(async () => (await send('m2')) === 503);
      await eventually(() => chat!.app.get(OfflineMessageService).failures > 3);
      expect(chat!.app.get(OfflineMessageService).isHealthy).toBe(false);
      await holder.release();
      holder = null;
      await untilReady(true);
      expect(await send('m3')).toBe(201);
    });
  });

  it('that was missing at the start, with a lock of before beside it: the log says so', async () => {
    await start();
    await chat!.stop();
    await unlink(file);
    const lines = catchLogLines();
    await start();
    expect(lines.filter((line) => line.startsWith('warn Store: '))).toEqual([
      expect.stringMatching(/There is a new store at .* now, where there was one before: .*\.lock is left of it/),
    ]);
    await restart();
    expect(lines.filter((line) => line.startsWith('warn Store: '))).toHaveLength(1);
  });

  describe('is copied', () => {
    it.each([
      ['VACUUM INTO', (to: string) => `database.exec("VACUUM INTO '${to}'")`],
      ['.backup', (to: string) => `await database.backup('${to}')`],
    ])('by %s while the server runs, which goes on; and the copy is a store', async (_name, backup) => {
      await start();
      for (let n = 1; n <= 20; n += 1) expect(await send(`m${n}`)).toBe(201);
      const copy = join(folder, 'copy.sqlite');
      expect(await runBeside(file, backup(copy))).toBeNull();
      expect((await chat!.rest('GET', '/health/ready')).status).toBe(200);
      expect(await send('m21')).toBe(201);
      expect(await lockBeside()).toBe('SQLITE_BUSY');
      await restart();
      expect(await waiting()).toHaveLength(21);
      await chat!.stop();
      await start(copy);
      expect(await waiting()).toHaveLength(20);
    });

    it('with its log, after a crash, to another place, where it starts with all that was in it', async () => {
      await start();
      for (let n = 1; n <= 20; n += 1) expect(await send(`m${n}`)).toBe(201);
      const moved = join(folder, 'moved');
      await mkdir(moved);
      // The files are as a killed server leaves them.
      for (const suffix of ['', '-wal']) await copyFile(file + suffix, join(moved, `other.sqlite${suffix}`));
      await chat!.stop();
      await start(join(moved, 'other.sqlite'));
      expect(await waiting()).toHaveLength(20);
    });

    it('is read by others all the time, and written all the same', async () => {
      await start();
      holder = await LockHolder.start(file, 'BEGIN', 'SELECT * FROM holdfast_offline_message');
      for (let n = 1; n <= 5; n += 1) {
        expect(await send(`m${n}`)).toBe(201);
        const count = "database.prepare('SELECT COUNT(*) FROM holdfast_offline_message').pluck().get()";
        expect(await runBeside(file, `return ${count}`)).toBe(n);
      }
      expect((await chat!.rest('GET', '/health/ready')).status).toBe(200);
    });
  });

  it.each([
    ['at its first statement', 'synchronous = FULL'],
    ['at one of the others', 'secure_delete = ON'],
    ['at its last statement', 'busy_timeout'],
    ['before it is open', null],
  ])('keeps its log under a connection that reads it, after an opening that failed %s', async (_when, statement) => {
    const dataSource = await openStore(storeOptions(`${driver}:${file}`));
    // With a second name the old log keeps its inode, so that the new one has another.
    for (const suffix of LOGS) await link(file + suffix, join(folder, `old${suffix}`));
    let failing = true;
    interceptStatements(dataSource, (sql, run) =>
      failing && statement !== null && sql.includes(statement) ? Promise.reject(new Error('SQLITE_IOERR')) : run(),
    );
    if (statement === null) jest.spyOn(dataSource, 'initialize').mockRejectedValueOnce(new Error('SQLITE_IOERR'));
    await expect(reopenStore(dataSource)).rejects.toThrow('SQLITE_IOERR');
    failing = false;
    const reader = await readerOf(dataSource)!();
    try {
      await reader.query('SELECT * FROM holdfast_offline_message');
      const logs = () => LOGS.map((suffix) => statSync(file + suffix, { bigint: true }).ino);
      const before = logs();
      await reopenStore(dataSource);
      expect(logs()).toEqual(before);
    } finally {
      await reader.destroy();
      await dataSource.destroy();
    }
  });

  it('is waited for when another application of the process is about to give it free', async () => {
    const stopping = await openStore(storeOptions(`${driver}:${file}`));
    const starting = openStore(storeOptions(`${driver}:${file}`));
    await new Promise((resolve) => setImmediate(resolve)); // It has found the file held.
    await stopping.destroy();
    const started = await starting;
    expect(started.isInitialized).toBe(true);
    await started.destroy();
  });

  describe('is given free when the application does not start, as', () => {
    const chatWith = (options: ChatModuleOptions = {}) =>
      ChatModule.forRoot({ database: { type: driver, database: file }, ...options });

    @Injectable()
    class Unbuildable {
      constructor() {
        throw new Error('no');
      }
    }
    @Injectable()
    class Needy {
      constructor(@Inject('nobody') readonly nobody: unknown) {}
    }

    it.each<[string, () => ModuleMetadata]>([
      [
        'a factory rejects',
        () => ({ providers: [{ provide: 'x', useFactory: () => Promise.reject(new Error('no')) }] }),
      ],
      [
        'a factory rejects after a while',
        () => ({
          providers: [
            {
              provide: 'x',
              inject: [ChatService],
              useFactory: async () => {
                await new Promise((resolve) => setImmediate(resolve));
                throw new Error('no');
              },
            },
          ],
        }),
      ],
      ['a constructor throws', () => ({ providers: [Unbuildable] })],
      ['something is missing', () => ({ providers: [Needy] })],
    ])('%s', async (_why, metadata) => {
      @Module({ imports: [chatWith()], ...metadata() })
      class App {}
      await expect(NestFactory.create(App, { abortOnError: false, logger: false })).rejects.toThrow(/no/);
      await untilFree();
      await start();
      expect(await send('m1')).toBe(201);
    });

    it('an option of the chat does not fit', async () => {
      @Module({ imports: [chatWith({ ackWindow: 0 })] })
      class App {}
      await expect(NestFactory.create(App, { abortOnError: false, logger: false })).rejects.toThrow('ackWindow');
      await untilFree();
    });

    it('the store was still to be opened', async () => {
      let give = (_options: ChatModuleOptions) => undefined as void;
      const options = new Promise<ChatModuleOptions>((resolve) => (give = resolve));
      @Module({ imports: [ChatModule.forRootAsync({ useFactory: () => options })], providers: [Unbuildable] })
      class App {}
      await expect(NestFactory.create(App, { abortOnError: false, logger: false })).rejects.toThrow('no');
      give({ database: { type: driver, database: file } });
      await new Promise((resolve) => setImmediate(resolve));
      expect(await readdir(folder)).toEqual([]);
    });

    it('a hook throws, and the application is closed', async () => {
      @Injectable()
      class Failing implements OnModuleInit {
        onModuleInit(): void {
          throw new Error('no');
        }
      }
      @Module({ imports: [chatWith()], providers: [Failing] })
      class App {}
      const app = await NestFactory.create(App, { abortOnError: false, logger: false });
      app.useWebSocketAdapter(new ChatWsAdapter(app));
      await expect(app.init()).rejects.toThrow('no');
      await app.close();
      await untilFree();
    });

    async function untilFree(): Promise<void> {
      await eventually(async () => {
        const store = await openStore(storeOptions(`${driver}:${file}`)).catch(() => null);
        await store?.destroy();
        return store !== null;
      });
    }
  });

  it('that is a pipe, a folder, or has one beside it, is refused', async () => {
    await mkdir(`${file}-wal`);
    await expectRefused(file, /holdfast\.sqlite-wal is not a regular file/);
    await rm(`${file}-wal`, { recursive: true });
    await writeFile(join(folder, 'flat'), '');
    await expectRefused(join(folder, 'flat/x.sqlite'), /can't be made: EEXIST\.$/);
    await symlink('loop', join(folder, 'loop'));
    await expectRefused(join(folder, 'loop'), /is a link that leads to itself|ELOOP/);
    await expectRefused(join(folder, 'n'.repeat(250)), /ENAMETOOLONG/);
    await expectRefused(`/proc/nope/x.sqlite`, /The folder \/proc\/nope of the store can't be made: ENOENT\.$/);
    await expectRefused('/dev/null', /is not a regular file; give the path of one/);
  });
});
