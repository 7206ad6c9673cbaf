import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { TestClient } from '../../src/testing/index.js';
import { AppServer } from '../support/app-server.js';
import { bundleOfClient } from '../support/client-bundle.js';
import { eventually } from '../support/deadline.js';
import { Consumer } from '../support/consumer-process.js';
import { describeInChromium, type Stage } from './stage.js';

const CLIENT = join(import.meta.dirname, '../../client');
const readme = readFileSync(join(CLIENT, 'README.md'), 'utf8');

/** The code of the README that has this in it, against a server at this port. */
function codeWith(mark: string, port: number): string {
  const blocks = [...readme.matchAll(/^```jsx?\n(.*?)^```/gms)].map(([, block]) => block!);
  const [block, ...others] = blocks.filter((each) => each.includes(mark));
  if (!block || others.length > 0) throw new Error(`the README has not one block with ${mark}`);
  return block.replaceAll('127.0.0.1:3000', `127.0.0.1:${port}`);
}

/** Opens a page that runs this code, as this user; calls `act` on it. */
async function withPage(stage: Stage, code: string, user: string, act: (page: Page) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-client-readme-'));
  const html =
    '<!doctype html><html><body><div id="root"></div><script type="module" src="/main.js"></script></body></html>';
  await writeFile(join(folder, 'index.html'), html);
  await writeFile(join(folder, 'main.js'), await bundleOfClient(code, '--define:process.env.NODE_ENV="production"'));
  const app = await AppServer.start(folder);
  try {
    const { page } = await stage.open(user);
    await page.goto(`${app.origin}/?user=${user}`);
    await act(page);
  } finally {
    await app.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

describeInChromium('the README of the client,', (stage) => {
  const bobAt = (port: number) => TestClient.open(`ws://127.0.0.1:${port}/chat?user=bob`);

  it('has a chat for browsers that works, also for what is sent while the server is away', async () => {
    const { port } = stage.site;
    await withPage(stage, codeWith('document.onclick', port), 'alice', async (page) => {
      await page.getByText('online').waitFor();
      const bob = await bobAt(port);
      bob.send('alice|are you there?');
      await page.getByText('bob: are you there?').waitFor();
      const restart = await stage.site.stop();
      const answers = ['bob', 'see you at noon'];
      page.on('dialog', (dialog) => void dialog.accept(answers.shift()));
      await page.mouse.click(5, 5);
      await eventually(() => answers.length === 0);
      await restart();
      const later = await bobAt(port);
      expect(await later.next()).toMatch(/see you at noon$/);
      await page.getByText(/\(to bob\)/).waitFor();
      await later.close();
    });
  });

  it('has a chat for React that works', async () => {
    const { port } = stage.site;
    await withPage(stage, codeWith('useTyping', port), 'alice', async (page) => {
      await page.getByText('online').waitFor();
      const bob = await bobAt(port);
      await page.getByRole('button', { name: 'Send' }).click();
      expect(await bob.next()).toBe('see you at noon');
      bob.send('alice|yes');
      await page.getByText('bob: yes').waitFor();
      await bob.close();
    });
  });

  it('has a chat with the record that works, also for a second device', async () => {
    await stage.restage({ CHAT_RECORD_MS: '90d', CHAT_SESSIONS: 'multiple' });
    const code = codeWith('holdfast-client/record', stage.site.port);
    const act = async (page: Page): Promise<void> => {
      page.once('dialog', (dialog) => void dialog.accept('see you at noon'));
      await page.getByRole('button', { name: 'Write' }).click();
      await page.getByText('sent: see you at noon').waitFor();
      const bob = await bobAt(stage.site.port);
      expect(await bob.next()).toMatch(/see you at noon$/);
      await page.getByText('delivered: see you at noon').waitFor();
      bob.send('alice|yes');
      await page.getByText('bob: yes').waitFor();
      await withPage(stage, code, 'alice', async (other) => {
        for (const text of ['delivered: see you at noon', 'bob: yes']) await other.getByText(text).waitFor();
      });
      await bob.close();
    };
    await withPage(stage, code, 'alice', act);
  });

  it('has lines for Node that work', async () => {
    const bob = await bobAt(stage.site.port);
    const consumer = new Consumer('client-in-node');
    const code = codeWith('fileStore', stage.site.port).replace('alice.log', 'node_modules/.alice.log');
    const ended = consumer.run(process.execPath, '--input-type=module', '-e', code);
    expect(await bob.next()).toMatch(/see you at noon$/);
    expect(await ended).toMatch(/^(delivered|stored)\n$/);
    await bob.close();
  });
});
