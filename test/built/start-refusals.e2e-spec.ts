import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, open, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { openStore } from '../../src/database/store-data-source.js';
import { storeOptions } from '../../src/database/store-options.js';
import { LockHolder } from '../support/lock-holder.js';
import { ServerProcess } from '../support/server-process.js';
import { SmallDisk } from '../support/small-disk.js';

const TABLE = 'holdfast_offline_message';
const COLUMNS = `recipient, position, sender, id, content, bytes, "sentAt", "storedAt"`;
const PAGE_BYTES = 4_096;
/**
 * Root may write read-only files, unless the process starts without that capability. It stays root, which may read this
 * folder.
 */
const BOUND = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : [];

describe('the server refuses to start, with one line and without a change, when its store', () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-refusals-'));
    file = join(folder, 'store.sqlite');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const hash = (path: string) =>
    existsSync(path) ? createHash('sha256').update(readFileSync(path)).digest('hex') : null;

  async function expectUnchanged(path: string, attempt: () => Promise<void>): Promise<void> {
    const files = [path, `${path}-wal`].filter(existsSync);
    const before = files.map(hash);
    await attempt();
    expect(files.map(hash)).toEqual(before);
  }

  /**
   * Opens the file as the server does, without its start of a second. It has to be refused with that one line, which
   * the server would write.
   */
  function expectRefusal(line: RegExp, path = file): Promise<void> {
    return expectUnchanged(path, async () => {
      const refused = openStore(storeOptions(`sqlite:${path}`)).then(async (store) => {
        await store.destroy();
        throw new Error(`${path} was opened`);
      });
      const { message } = await refused.catch((error: Error) => error);
      expect(message.split('\n')).toEqual([expect.stringMatching(line)]);
    });
  }

  /** Starts the server on the file. It has to end with that one line. */
  function expectNoStart(
    line: RegExp,
    { path = file, wrapper }: { path?: string; wrapper?: readonly string[] } = {},
  ): Promise<void> {
    return expectUnchanged(path, async () => {
      const { code, output } = await ServerProcess.refused({ DATABASE_URL: `sqlite:${path}` }, wrapper);
      expect(output.trimEnd().split('\n')).toEqual([expect.stringMatching(line)]);
      expect(output).toMatch(/FATAL \[Holdfast\] /);
      expect(code).toBe(1);
    });
  }

  /** Makes a store in which 200 messages wait. */
  async function makeStore(): Promise<void> {
    const store = await openStore(storeOptions(`sqlite:${file}`));
    for (let n = 1; n <= 200; n += 1) {
      await store.query(
        `INSERT INTO ${TABLE} (${COLUMNS}) VALUES ('bob', ${n}, 'alice', 'm${n}', '${'.'.repeat(200)}', 200, 0, 0)`,
      );
    }
    await store.destroy();
  }

  async function change(statement: string): Promise<void> {
    const database = await new DataSource({ type: 'sqlite', database: file }).initialize();
    await database.query(statement);
    await database.destroy();
  }

  async function write(at: number, ...bytes: number[]): Promise<void> {
    const handle = await open(file, 'r+');
    await handle.write(Buffer.from(bytes), 0, bytes.length, at);
    await handle.close();
  }

  it('is not a database', async () => {
    await writeFile(file, 'my holiday pictures\n'.repeat(1_000));
    await expectNoStart(/is not an SQLite database, or is damaged; nothing was changed in it\.$/);
  });

  it('has a byte flipped in its header', async () => {
    await makeStore();
    await write(3, 0xff);
    await expectRefusal(/is not an SQLite database, or is damaged; nothing was changed in it\.$/);
  });

  it.each([
    ['in the schema on its first page', 103, 0x7f],
    ['in a page of messages', 5 * PAGE_BYTES, 0x55],
  ])('has a byte flipped %s', async (_where, at, value) => {
    await makeStore();
    await write(at, value);
    await expectRefusal(
      /is damaged \(.+\); restore a backup, or save what can be read with 'sqlite3 FILE \.recover'\.$/,
    );
  });

  it.each([
    ['to half', (length: number) => length / 2],
    ['within its first page', () => 1_000],
  ])('was cut %s', async (_where, rest) => {
    await makeStore();
    await truncate(file, rest(readFileSync(file).length));
    await expectRefusal(/is damaged \(.+\); restore a backup/);
  });

  it('was made by a newer version', async () => {
    await makeStore();
    await change(`INSERT INTO holdfast_migrations (timestamp, name) VALUES (9999999999999, 'AddStars9999999999999')`);
    await expectRefusal(/was made by a newer version of Holdfast \(it has AddStars9999999999999\); start that version/);
  });

  it('is empty, beside a log with what was committed last', async () => {
    await writeFile(file, '');
    await writeFile(`${file}-wal`, 'frames');
    await expectRefusal(/is empty, but its log \S+-wal holds messages; put the file back/);
  });

  it('is missing, beside a log with what was committed last', async () => {
    await writeFile(`${file}-wal`, 'frames');
    await expectRefusal(/is missing, but its log \S+-wal holds messages; put the file back/);
    expect(existsSync(file)).toBe(false);
  });

  it('is a folder', async () => {
    await mkdir(file);
    await expect(openStore(storeOptions(`sqlite:${file}`))).rejects.toThrow(
      /^The store \S+ is not a regular file; give the path of one\.$/,
    );
  });

  it('is in a folder that can not be made', async () => {
    await writeFile(join(folder, 'flat'), '');
    await expectRefusal(
      /The folder \S+flat\/data of the store can't be made: ENOTDIR\.$/,
      join(folder, 'flat', 'data', 'store.sqlite'),
    );
  });

  it('is a file that can only be read', async () => {
    await makeStore();
    await chmod(file, 0o444);
    await expectNoStart(/The store \S+ can't be read and written: EACCES\.$/, { wrapper: BOUND });
  });

  it('is in a folder that can not be written to', async () => {
    await makeStore();
    await chmod(file, 0o666);
    await chmod(folder, 0o555);
    await expectNoStart(
      /The folder \S+ of the store can't be written to, and the log of the store has to be in it: EACCES/,
      {
        wrapper: BOUND,
      },
    );
    await chmod(folder, 0o755);
  });

  it('lies in a folder that the system lets nobody make', async () => {
    await expectRefusal(/The folder \/proc\/nope of the store can't be made: ENOENT\.$/, '/proc/nope/x.sqlite');
  });

  // src/database/store-options.spec.ts has all such names.
  it('has a name that nobody meant: a line feed behind it', async () => {
    const { code, output } = await ServerProcess.refused({ DATABASE_URL: `sqlite:${file}\n` });
    expect(output.trimEnd().split('\n')).toEqual([expect.stringMatching(/begins or ends with a blank/)]);
    expect(code).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is mounted by itself, without the folder that its log has to be in', async () => {
    if (!SmallDisk.isPermitted()) {
      process.stderr.write(
        '\n  *** NOT TESTED: a file that is mounted by itself, as nothing can be mounted here (it takes root).\n\n',
      );
      expect(process.env['CI']).not.toBe('true');
      return;
    }
    await makeStore();
    const mounted = join(folder, 'a place', 'store.sqlite');
    await mkdir(join(folder, 'a place'));
    await writeFile(mounted, '');
    execFileSync('mount', ['--bind', file, mounted]);
    try {
      await expectNoStart(
        /is mounted by itself, and its log beside it would stay behind; mount the folder .+a place instead\.$/,
        {
          path: mounted,
        },
      );
    } finally {
      execFileSync('umount', [mounted]);
    }
  });

  it('is locked by another process while it has to be changed', async () => {
    await writeFile(file, '');
    const other = await LockHolder.start(file, 'BEGIN EXCLUSIVE');
    try {
      await expectNoStart(/is locked by another process; stop that, and start again\.$/);
    } finally {
      await other.release();
    }
  });
});

describe('the server ends with one line and a remedy, and gives the store free, when it can not listen', () => {
  let folder: string;
  let url: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-listens-'));
    url = `sqlite:${join(folder, 'store.sqlite')}`;
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function expectNotListening(env: NodeJS.ProcessEnv, line: RegExp): Promise<void> {
    const { code, output } = await ServerProcess.refused({ DATABASE_URL: url, ...env });
    const lines = output.trimEnd().split('\n'); // The lines of the authentication warn of what HOST means.
    expect(lines.filter((one) => !one.includes('[Authentication]'))).toEqual([expect.stringMatching(line)]);
    expect(code).toBe(1);
    await (await openStore(storeOptions(url))).destroy();
  }

  it('at a port that another program has', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expectNotListening(
      { PORT: String(port) },
      /The server can't listen on 127\.0\.0\.1, port \d+: EADDRINUSE; another program does; end that one, or give another PORT\.$/,
    );
    other.close();
  });

  it('at an address of another machine', () =>
    expectNotListening(
      { HOST: '192.0.2.1', CHAT_INSECURE: '1' },
      /EADDRNOTAVAIL; HOST is not an address of this machine/,
    ));

  it('at a name that is not one', () =>
    expectNotListening({ HOST: 'no.such.host.invalid', CHAT_INSECURE: '1' }, /(ENOTFOUND|EAI_AGAIN); HOST is/));
});

describe('the server starts', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'holdfast-starts-'))));
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('on an empty file, as a first start that was killed leaves it, and says so', async () => {
    const file = join(folder, 'store.sqlite');
    await writeFile(file, '');
    const server = await ServerProcess.start({ DATABASE_URL: `sqlite:${file}` });
    expect(await server.stop()).toBe(0);
    expect(server.stdout + server.stderr).toMatch(/WARN \[Store\] \S+ was an empty file; it is a new store now\.\n/);
  });

  it('in a folder that is missing, which it makes', async () => {
    const server = await ServerProcess.start({ DATABASE_URL: `sqlite:${join(folder, 'a', 'b', 'store.sqlite')}` });
    expect(await server.stop()).toBe(0);
    expect(await readdir(join(folder, 'a', 'b'))).toEqual(['store.sqlite', 'store.sqlite.lock']);
  });
});
