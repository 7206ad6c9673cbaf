import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { withDeadline } from '../support/deadline.js';
import { Random } from '../support/crash-random.js';
import { SEED } from '../support/seed.js';

const STORE = new URL('../../client/dist/client/src/file-store.js', import.meta.url).href;
const ROUNDS = Number(process.env['CRASH_ROUNDS'] ?? 8);
/** So many ids it prints at most before it is killed. */
const MOST_PRINTED = 60;

/**
 * Writes without a pause, some at once, and prints what it was promised. What it settled is not printed before it was
 * settled, so that whatever is printed has to be as it says.
 */
const PROGRAM = `
  const [store, path, round] = process.argv.slice(1);
  const { fileStore } = await import(store);
  const opened = await fileStore(path);
  const say = (what) => process.stdout.write(what + '\\n');
  for (let n = 0; ; n += 1) {
    const id = round + '-' + n;
    const content = 'x'.repeat((n * 7_919) % 60_000); // The file is made anew now and then.
    await Promise.all([
      opened.append({ id: 'keep-' + id, to: 'bob', content: '', at: 0 }).then(() => say('kept keep-' + id)),
      opened.append({ id: 'drop-' + id, to: 'bob', content, at: 0 }),
      opened.receive([{ id, from: 'bob', to: 'alice', content, sentAt: '', stored: true }]).then(() => say('received ' + id)),
    ]);
    await opened.settle(['drop-' + id]).then(() => say('settled drop-' + id));
    await opened.handled(['bob\\n' + id]).then(() => say('handled ' + id));
  }
`;

describe('kill -9 of a process with a store in a file', () => {
  it('takes back nothing that the store has said, and leaves no lock', async () => {
    const random = new Random(SEED);
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-file-store-'));
    const path = join(folder, 'alice.log');
    const said = new Map<string, string[]>();
    for (let round = 0; round < ROUNDS; round += 1) {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', PROGRAM, STORE, path, String(round)]);
      let errors = '';
      child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
      const lines = createInterface({ input: child.stdout });
      const wanted = random.between(1, MOST_PRINTED);
      let printed = 0;
      lines.on('line', (line) => {
        const [what, id] = line.split(' ') as [string, string];
        said.set(what, [...(said.get(what) ?? []), id]);
        printed += 1;
        if (printed === wanted) child.kill('SIGKILL');
      });
      const ended = new Promise((resolve) => child.once('close', resolve));
      await withDeadline(ended, () => `the store writes; ${errors}`);
      expect(errors).toBe('');
    }
    const { fileStore } = (await import(STORE)) as typeof import('../../client/src/file-store.js');
    const store = await fileStore(path);
    const outbox = (await store.outbox()).map(({ id }) => id);
    const inbox = (await store.inbox()).map(({ id }) => id);
    const all = (what: string) => said.get(what) ?? [];
    // In the order in which they were written.
    expect(outbox.filter((id) => all('kept').includes(id))).toEqual(all('kept'));
    expect(outbox.filter((id) => all('settled').includes(id))).toEqual([]);
    expect(inbox.filter((id) => all('handled').includes(id))).toEqual([]);
    expect(
      all('received').filter((id) => !all('handled').includes(id) && !inbox.includes(id)).length,
    ).toBeLessThanOrEqual(ROUNDS);
    const again = all('received').map((id) => ({
      id,
      from: 'bob',
      to: 'alice',
      content: '',
      sentAt: '',
      stored: true,
    }));
    expect(await store.receive(again)).toEqual([]);
    expect(all('kept').length).toBeGreaterThan(ROUNDS);
    await store.close();
    await rm(folder, { recursive: true });
  });
});
