import { spawnSync } from 'node:child_process';
import { appendFile, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileStore } from '../src/file-store.js';
import { MemoryStore } from '../src/memory-store.js';
import { storeCases } from '../src/testing.js';
import type { Store } from '../src/store.js';
import { entry, filePlace, idsOf, message, type FilePlace } from './store-places.js';

/** The id of a process that was there, and is not any more. */
const deadProcess = () => spawnSync(process.execPath, ['-e', '']).pid;

describe('a store in the memory', () => {
  it.each(storeCases)('$title', async ({ run }) => {
    const place = { open: async () => new MemoryStore(), remove: async () => undefined };
    await expect(run(async () => place)).resolves.toBeUndefined();
  });
});

describe('a store in a file', () => {
  it.each(storeCases)('$title', async ({ run }) => {
    await expect(run(filePlace)).resolves.toBeUndefined();
  });

  let place: FilePlace;
  let opened: Store[];
  const open = async (path = place.path) => {
    const store = await fileStore(path);
    opened.push(store);
    return store;
  };
  beforeEach(async () => {
    place = await filePlace();
    opened = [];
  });
  afterEach(async () => {
    await Promise.all(opened.map((store) => store.close()));
    await place.remove();
  });

  it('is for its owner alone', async () => {
    const store = await open();
    await store.append(entry('a'));
    expect((await stat(place.path)).mode & 0o777).toBe(0o600);
    expect((await stat(`${place.path}.lock`)).mode & 0o777).toBe(0o600);
  });

  it('leaves one file when it is closed', async () => {
    const store = await open();
    await store.append(entry('a'));
    await store.close();
    expect(await readdir(place.folder)).toEqual(['alice.log']);
  });

  it('has at every cut of its file what was whole there', async () => {
    const store = await open();
    await store.append(entry('a'));
    const { length } = await readFile(place.path);
    await store.append(entry('é'));
    await store.close();
    const whole = await readFile(place.path);
    for (let bytes = length; bytes <= whole.length; bytes += 1) {
      await writeFile(place.path, whole.subarray(0, bytes));
      const cut = await fileStore(place.path);
      expect(idsOf(await cut.outbox())).toEqual(bytes === whole.length ? ['a', 'é'] : ['a']);
      await cut.append(entry('z'));
      await cut.close();
      const again = await fileStore(place.path);
      expect(idsOf(await again.outbox())).toEqual(bytes === whole.length ? ['a', 'é', 'z'] : ['a', 'z']);
      await again.close();
    }
  });

  it('skips what a power cut has left of a write: zeros, and half a line before a whole one', async () => {
    const store = await open();
    await store.append(entry('a'));
    await store.close();
    await appendFile(place.path, `\0\0\0{"app\n${JSON.stringify({ append: entry('b') })}\nnull\n7\n\0\0`);
    const again = await open();
    expect(idsOf(await again.outbox())).toEqual(['a', 'b']);
    await again.append(entry('c'));
    expect(await readFile(place.path, 'utf8')).not.toContain('\0');
  });

  it('leaves alone what a later version has added', async () => {
    const store = await open();
    await store.append(entry('a'));
    await store.close();
    await appendFile(place.path, '{"later":["b"]}\n');
    expect(idsOf(await (await open()).outbox())).toEqual(['a']);
  });

  it.each(['a poem\n', '{"holdfast-client":2}\n'])(
    'refuses a file that is something else, and leaves it: %j',
    async (text) => {
      await writeFile(place.path, text);
      await expect(open()).rejects.toThrow('the file is not a store, or one of a later version');
      expect(await readFile(place.path, 'utf8')).toBe(text);
      expect(await readdir(place.folder)).toEqual(['alice.log']);
    },
  );

  it('takes an empty file for a new store', async () => {
    await writeFile(place.path, '');
    await (await open()).append(entry('a'));
    await opened[0]!.close();
    expect(idsOf(await (await open()).outbox())).toEqual(['a']);
  });

  it('follows a symbolic link, and leaves it one', async () => {
    await writeFile(place.path, '');
    const link = join(place.folder, 'link');
    await symlink(place.path, link);
    const store = await open(link);
    await store.append(entry('a'));
    await store.close();
    expect(idsOf(await (await open()).outbox())).toEqual(['a']);
  });

  it('stays small, however much goes through it', async () => {
    const store = await open();
    for (let round = 0; round < 30; round += 1) {
      const ids = Array.from({ length: 20 }, (_, index) => `${round}-${index}`);
      await Promise.all(ids.map((id) => store.append(entry(id, 'x'.repeat(10_000)))));
      await store.settle(ids);
    }
    await store.append(entry('last'));
    expect((await stat(place.path)).size).toBeLessThan(2 ** 20 + 2 ** 18);
    await store.close();
    expect(idsOf(await (await open()).outbox())).toEqual(['last']);
  });

  it('leaves no content in its file when it is cleared', async () => {
    const store = await open();
    await store.append(entry('a', 'secret'));
    await store.receive([message('b')]);
    await store.clear();
    expect(await readFile(place.path, 'utf8')).not.toMatch(/secret|bob/);
  });

  it('refuses all calls when it is closed', async () => {
    const store = await open();
    await store.close();
    await expect(store.append(entry('a'))).rejects.toThrow('the store is closed');
    await expect(store.inbox()).rejects.toThrow('the store is closed');
  });

  it('writes nothing more when somebody has taken its lock away', async () => {
    const store = await open();
    await store.append(entry('a'));
    await place.removeLock();
    await expect(store.append(entry('b'))).rejects.toThrow('another process has taken this store over');
    expect(await readFile(place.path, 'utf8')).not.toContain('"b"');
  });

  it('is refused in a folder that is not there', async () => {
    await expect(open(join(place.folder, 'missing', 'alice.log'))).rejects.toThrow('ENOENT');
  });

  describe('its lock', () => {
    const lockedBy = (holder: string) => writeFile(`${place.path}.lock`, holder);

    it('lets one store of a process have it, by whatever path', async () => {
      await open();
      await expect(open()).rejects.toThrow('this process uses this store already');
      await expect(open(join(place.folder, '.', 'alice.log'))).rejects.toThrow('this process uses this store already');
    });

    it('keeps others out while its process lives', async () => {
      await lockedBy(`${process.ppid}@${hostname()}`);
      await expect(open()).rejects.toThrow(`process ${process.ppid} uses this store`);
    });

    it.each([
      ['that has died', () => deadProcess()],
      ['whose id this one has now, as in a container', () => process.pid],
    ])('is not kept by a process %s', async (_which, pid) => {
      await lockedBy(`${pid()}@${hostname()}`);
      await expect(open()).resolves.toMatchObject({ persistent: true });
    });

    it.each([
      ['of another machine', () => `${deadProcess()}@elsewhere`],
      ['that has not written yet who it is', () => ''],
    ])('is kept by a process %s until a person deletes it', async (_which, holder) => {
      await lockedBy(holder());
      await expect(open()).rejects.toThrow(`if that has ended, delete ${place.path}.lock`);
      await place.removeLock();
      await (await open()).append(entry('a'));
    });
  });
});
