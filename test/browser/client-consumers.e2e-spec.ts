import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { TestClient } from '../../src/testing/index.js';
import { AppServer } from '../support/app-server.js';
import { Consumer } from '../support/consumer-process.js';
import { describeInChromium } from './stage.js';

const ESBUILD = join(import.meta.dirname, '../../tools/node_modules/.bin/esbuild');

const consumer = new Consumer('client-in-browser');

const BUILD = {
  Vite: async (folder: string) => {
    await consumer.run('npx', 'vite', 'build', '--outDir', folder, '--emptyOutDir');
  },
  esbuild: async (folder: string) => {
    await consumer.run(ESBUILD, 'main.ts', '--bundle', '--minify', '--format=esm', `--outfile=${folder}/main.js`);
    const page = readFileSync(join(consumer.folder, 'index.html'), 'utf8');
    writeFileSync(join(consumer.folder, folder, 'index.html'), page.replace('/main.ts', '/main.js'));
  },
};

async function write(page: Page, to: string, text: string): Promise<void> {
  await page.getByLabel('To').fill(to);
  await page.getByLabel('Text').fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

describeInChromium('a browser application with the packed client', (stage) => {
  it('has types without those of Node', async () => {
    await consumer.run('npx', 'tsc');
  });

  it.each(['Vite', 'esbuild'] as const)('sends, receives and survives a reload, bundled with %s', async (bundler) => {
    await BUILD[bundler](`dist/${bundler}`);
    const app = await AppServer.start(join(consumer.folder, 'dist', bundler));
    try {
      const { page } = await stage.open('alice');
      const socket = `ws://127.0.0.1:${stage.site.port}/chat`;
      await page.goto(`${app.origin}/?${new URLSearchParams({ server: socket, user: 'alice' }).toString()}`);
      await page.getByText('online').waitFor();
      const bob = await TestClient.open(`${socket}?user=bob`);
      await write(page, 'bob', 'are you there?');
      expect(await bob.next()).toBe('are you there?');
      bob.send('alice|yes');
      await page.getByText('bob: yes', { exact: true }).waitFor();
      await page.getByText(/^(delivered|stored) to bob$/).waitFor();

      const restart = await stage.site.stop();
      await page.getByText('waiting').waitFor();
      await write(page, 'bob', 'see you at noon');
      await page.getByText('kept: see you at noon').waitFor();
      await page.reload();
      await restart();
      await page.getByText('online').waitFor();
      await write(page, 'bob', 'the last one');
      const later = await TestClient.open(`${socket}?user=bob`);
      expect(await later.next()).toMatch(/see you at noon$/);
      expect(await later.next()).toMatch(/the last one$/);
      expect(await page.getByText('bob: yes').count()).toBe(0);
      await later.close();
    } finally {
      await app.stop();
    }
  });
});
