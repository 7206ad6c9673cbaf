import * as fileSystem from 'node:fs/promises';
import type { Files } from '../src/log-file.js';
import { LogStore } from '../src/log-store.js';
import { keyOf } from '../src/store.js';
import { SmallDisk } from '../../test/support/small-disk.js';
import { entry, filePlace, idsOf, message } from './store-places.js';

/** How far a call of the file system gets before it fails. */
type Fault = 'before' | 'half' | 'after';

/** A file system whose n-th call fails. */
class FaultyFiles {
  calls = 0;

  constructor(
    private readonly failing: number,
    private readonly fault: Fault,
  ) {}

  get files(): Files {
    const names = ['open', 'readFile', 'realpath', 'rename', 'rm', 'truncate'] as const;
    const others = names.map((name) => [name, (...args: never[]) => this.call(() => call(fileSystem[name], args))]);
    return {
      ...(Object.fromEntries(others) as Files),
      appendFile: (...args) => this.call(() => fileSystem.appendFile(...args), half(fileSystem.appendFile, args)),
      writeFile: (...args) => this.call(() => fileSystem.writeFile(...args), half(fileSystem.writeFile, args)),
    };
  }

  private async call<T>(whole: () => Promise<T>, part?: () => Promise<void>): Promise<T> {
    this.calls += 1;
    if (this.calls !== this.failing) return whole();
    if (this.fault === 'half') await part?.();
    const done = this.fault === 'after' ? await whole() : null;
    await (done as { close?: () => Promise<void> } | null)?.close?.(); // A folder that was opened.
    throw Object.assign(new Error('EIO: it failed on purpose'), { code: 'EIO' });
  }
}

const call = (method: unknown, args: never[]) => (method as (...args: never[]) => Promise<never>)(...args);

type Write = typeof fileSystem.appendFile | typeof fileSystem.writeFile;

function half(write: Write, [path, text, options]: Parameters<Write>): () => Promise<void> {
  const bytes = Buffer.from(text as string);
  return () => write(path, bytes.subarray(0, bytes.length / 2), options);
}

/** What a script was promised: what resolved, and what was refused. */
interface Books {
  readonly kept: Set<string>;
  readonly settled: Set<string>;
  readonly received: Set<string>;
  readonly handled: Set<string>;
  readonly refused: string[];
}

async function runScript(store: LogStore): Promise<Books> {
  const books: Books = { kept: new Set(), settled: new Set(), received: new Set(), handled: new Set(), refused: [] };
  const note = async (work: Promise<unknown>, book: Set<string>, id: string) => {
    await work.then(
      () => book.add(id),
      () => books.refused.push(id),
    );
  };
  const append = (id: string, content = id) => note(store.append(entry(id, content)), books.kept, id);
  const settle = (id: string) => note(store.settle([id]), books.settled, id);
  const receive = (id: string) => note(store.receive([message(id)]), books.received, id);
  const handle = (id: string) => note(store.handled([keyOf(message(id))]), books.handled, id);
  await Promise.all([append('a'), append('b'), receive('m1'), receive('m2')]);
  await settle('a');
  await Promise.all([append('c'), handle('m1')]);
  await append('big', 'x'.repeat(2 ** 20)); // The next write makes the file anew.
  await settle('big');
  await Promise.all([append('d'), receive('m3')]);
  await settle('b');
  return books;
}

/** Everything that was promised is there, and nothing that was taken away. */
async function expectKept(store: LogStore, { kept, settled, received, handled, refused }: Books): Promise<void> {
  const outbox = idsOf(await store.outbox());
  const due = [...kept].filter((id) => !settled.has(id) && !refused.includes(id));
  expect(outbox).toEqual(expect.arrayContaining(due));
  expect(outbox.filter((id) => settled.has(id))).toEqual([]);
  const inbox = idsOf(await store.inbox());
  const done = [...handled].filter((id) => received.has(id));
  expect(inbox.filter((id) => done.includes(id))).toEqual([]);
  const waiting = [...received].filter((id) => !done.includes(id) && !refused.includes(id));
  expect(inbox).toEqual(expect.arrayContaining(waiting));
}

/** What was refused comes again, unless it was kept after all. What was received does not. */
async function expectNoneLost(store: LogStore, { received, handled }: Books): Promise<void> {
  const inbox = idsOf(await store.inbox());
  const again = idsOf(await store.receive(['m1', 'm2', 'm3'].map(message)));
  expect(again.filter((id) => received.has(id))).toEqual([]);
  for (const id of ['m1', 'm2', 'm3']) expect([...again, ...inbox, ...handled]).toContain(id);
}

describe('a store in a file whose disk fails', () => {
  it.each(['before', 'half', 'after'] as const)(
    'keeps what it has promised when any one call fails, %s its work',
    async (fault) => {
      let failures = 0;
      for (let failing = 1; ; failing += 1) {
        const place = await filePlace();
        const disk = new FaultyFiles(failing, fault);
        const store = await LogStore.open(place.path, disk.files).catch(() => null);
        const books = store && (await runScript(store));
        if (books) await expectKept(store, books);
        await store?.close();
        const again = await LogStore.open(place.path);
        if (books) {
          await expectKept(again, books);
          await expectNoneLost(again, books);
        }
        await again.close();
        await place.remove();
        if (disk.calls < failing) break;
        failures += 1;
      }
      expect(failures).toBeGreaterThan(10);
    },
  );

  it('refuses what a full disk has no room for, keeps the rest, and goes on when there is room', async () => {
    if (!SmallDisk.isPermitted()) {
      process.stderr.write(
        '\n  *** NOT TESTED: a file store on a full disk, as nothing can be mounted here (it takes root).\n\n',
      );
      return;
    }
    const disk = await SmallDisk.mount(1);
    const path = `${disk.folder}/alice.log`;
    let store = await LogStore.open(path);
    await store.append(entry('a'));
    await disk.fill();
    await expect(store.append(entry('big', 'x'.repeat(100_000)))).rejects.toThrow('ENOSPC');
    expect(idsOf(await store.outbox())).toEqual(['a']);
    await disk.empty();
    await store.append(entry('b'));
    await store.close();
    store = await LogStore.open(path);
    expect(idsOf(await store.outbox())).toEqual(['a', 'b']);
    await store.close();
    await disk.unmount();
  });
});
