import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type BrowserContextOptions } from 'playwright-core';
import { DEADLINE_MS } from '../support/deadline.js';
import { Reader } from './reader.js';
import { Site } from './site.js';

export const executablePath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'chromium'))
  .find((path) => existsSync(path));

const PAGE = fileURLToPath(new URL('../../public/app/page/main.js', import.meta.url));

export const SWITCHES = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A browser, and for each test a server of its own. What a page throws fails the test. */
export class Stage {
  site!: Site;
  private browser: Browser | undefined;
  private errors: Error[] = [];

  async launch(): Promise<void> {
    if (!executablePath) throw new Error('there is no chromium, and CI has to test the pages');
    if (!existsSync(PAGE)) throw new Error('the page is not built; run npm run build');
    this.browser = await chromium.launch({ executablePath, args: SWITCHES });
  }

  async close(): Promise<void> {
    await this.browser?.close();
  }

  async set(): Promise<void> {
    this.errors = [];
    this.site = await Site.start();
  }

  /** Replaces the server that every test gets by one with these settings. */
  async restage(env: NodeJS.ProcessEnv): Promise<void> {
    await this.site.dispose();
    this.site = await Site.start(env);
  }

  async strike(): Promise<void> {
    if (!this.browser) return;
    for (const context of this.browser.contexts()) await context.close();
    await this.site.dispose();
    if (this.errors.length > 0) throw new AggregateError(this.errors, `a page threw: ${this.errors.join('; ')}`);
  }

  /** Gives somebody a browser window of their own, with nothing in it yet. */
  async open(name: string, options: BrowserContextOptions = {}): Promise<Reader> {
    const context = await this.browser!.newContext({ locale: 'en-GB', timezoneId: 'UTC', ...options });
    context.setDefaultTimeout(DEADLINE_MS);
    const page = await context.newPage();
    page.on('pageerror', (error) => this.errors.push(error));
    return new Reader(page, name);
  }

  /** Opens the chat page and connects under this name. */
  async arrive(name: string, options: BrowserContextOptions = {}): Promise<Reader> {
    const reader = await this.open(name, options);
    await reader.page.goto(this.site.origin);
    await reader.connect();
    await reader.untilStatus(`online as ${name}`);
    return reader;
  }
}

/** Like `describe`, in Chromium. Without Chromium the tests are reported as skipped, and fail in CI. */
export function describeInChromium(title: string, body: (stage: Stage) => void): void {
  const skipped = !executablePath && !process.env['CI'];
  if (skipped) {
    process.stderr.write(
      `\n*** NOT TESTED: ${title.replace(/,$/, '')}, as there is no chromium here. scripts/install-test-tools.sh installs it.\n\n`,
    );
  }
  (skipped ? describe.skip : describe)(title, () => {
    const stage = new Stage();
    beforeAll(() => stage.launch());
    afterAll(() => stage.close());
    beforeEach(() => stage.set());
    afterEach(() => stage.strike());
    body(stage);
  });
}
