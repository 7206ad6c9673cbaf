import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext } from 'playwright-core';
import { ChromiumTab } from './client-stage.js';
import { executablePath, SWITCHES } from './stage.js';

/** The browser of one person, with all that it keeps. It can be killed and started again. */
export class Profile {
  private context: BrowserContext | null = null;
  private pid = 0;

  private constructor(private readonly folder: string) {}

  static async create(): Promise<Profile> {
    return new Profile(await mkdtemp(join(tmpdir(), 'holdfast-profile-')));
  }

  /** Starts the browser, with one tab. */
  async start(tab: string, address: string): Promise<ChromiumTab> {
    this.context = await chromium.launchPersistentContext(this.folder, {
      executablePath,
      args: SWITCHES,
      // Pages are kept for a "back", as for people.
      ignoreDefaultArgs: ['--disable-back-forward-cache'],
    });
    const session = await this.context.browser()!.newBrowserCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    this.pid = processInfo.find(({ type }) => type === 'browser')!.id;
    const page = this.context.pages()[0]!;
    await page.goto(address);
    return new ChromiumTab(tab, page);
  }

  /** Kills the browser, as a crash of it would. */
  async kill(): Promise<void> {
    const closed = this.context!.waitForEvent('close');
    process.kill(this.pid, 'SIGKILL');
    await closed;
    this.context = null;
  }

  /** Closes the browser, and removes what it kept. */
  async dispose(): Promise<void> {
    await this.context?.close();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
