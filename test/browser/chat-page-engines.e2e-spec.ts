import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestClient } from '../support/test-client.js';
import { Firefox, programAt, WebKit, type Engine, type EngineTab } from './other-engines.js';
import { Site } from './site.js';

const ENGINES = [
  { name: 'Firefox', programs: ['firefox-esr'], start: (folder: string): Promise<Engine> => Firefox.start(folder) },
  {
    name: 'WebKitGTK',
    programs: ['WebKitWebDriver', 'xvfb-run'],
    start: (folder: string): Promise<Engine> => WebKit.start(folder),
  },
];

/** An expression that waits until a condition is true. */
const until = (condition: string) => `(async () => {
  const end = Date.now() + 15000;
  while (!(${condition})) {
    if (Date.now() > end) throw new Error(${JSON.stringify(condition)} + ' is not true: ' + document.body.innerText);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
})()`;
const textOf = (selector: string) => `(document.querySelector('${selector}')?.textContent ?? '')`;
const submit = (form: string, field: string, value: string) => `
  (document.querySelector('${field}').value = ${JSON.stringify(value)},
  document.querySelector('${form}').requestSubmit(), null)`;

function isThere({ name, programs }: (typeof ENGINES)[number]): boolean {
  const isComplete = programs.every((program) => programAt(program) !== undefined);
  if (!isComplete) {
    process.stderr.write(
      `\n*** NOT TESTED: the chat page in ${name}. scripts/install-test-tools.sh installs what that takes.\n\n`,
    );
  }
  return isComplete || process.env['CI'] !== undefined;
}

for (const engine of ENGINES) {
  (isThere(engine) ? describe : describe.skip)(`the chat page in ${engine.name}`, () => testIn(engine.start));
}

function testIn(start: (typeof ENGINES)[number]['start']): void {
  async function converse(page: EngineTab, bob: TestClient): Promise<void> {
    await page.run(until(`document.querySelector('#join').checkVisibility()`));
    await page.run(submit('#join', '#name', 'alice'));
    await page.run(until(`${textOf('#status')} === 'online as alice'`));
    await page.run(submit('#begin', '#name-of-other', 'bob'));
    await page.run(submit('#compose', '#content', `did the rope hold? ${'w'.repeat(400)}`));
    await page.run(until(`/stored|delivered/.test(${textOf('#rows .own')})`));
    bob.sendJson('send', { to: 'alice', content: 'it did' });
    await page.run(until(`${textOf('#rows .live')}.includes('it did')`));
  }

  it('connects, sends, receives, fits the screen with a long word, and keeps what was said over a reload', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-engine-'));
    const site = await Site.start();
    const bob = await TestClient.open(`ws://127.0.0.1:${site.port}/chat?user=bob`, ['chat.v1.json']);
    let engine: Engine | null = null;
    try {
      engine = await start(folder);
      const page = await engine.open('alice', site.origin);
      await converse(page, bob);
      expect(await page.run('document.documentElement.scrollWidth - document.documentElement.clientWidth')).toBe(0);
      await page.reload();
      await page.run(until(`document.querySelectorAll('#rows .message').length === 2`));
      const contents = `[...document.querySelectorAll('#rows .content')].map((each) => each.textContent.slice(0, 18))`;
      expect(await page.run(contents)).toEqual(['did the rope hold?', 'it did']);
      await page.run(until(`${textOf('#status')} === 'online as alice'`));
    } finally {
      await engine?.kill();
      await bob.close();
      await site.dispose();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  });
}
