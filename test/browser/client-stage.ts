import type { BrowserContext, Page } from 'playwright-core';
import { eventually } from '../support/deadline.js';
import { ChatPeer } from './chat-peer.js';
import { ClientPages, type PageOptions } from './client-pages.js';
import { Tab } from './client-tab.js';
import { describeInChromium, type Stage } from './stage.js';

/** A tab of Chromium. */
export class ChromiumTab extends Tab {
  constructor(
    name: string,
    readonly page: Page,
  ) {
    super(name, (expression) => page.evaluate(expression));
  }

  get context(): BrowserContext {
    return this.page.context();
  }
}

/** A chat server, and an application with the client library that uses it. */
export class ClientStage {
  pages!: ClientPages;
  private peers: ChatPeer[] = [];

  constructor(private readonly stage: Stage) {}

  get site(): Stage['site'] {
    return this.stage.site;
  }

  get socketUrl(): string {
    return `${this.site.origin.replace('http', 'ws')}/chat`;
  }

  async open(): Promise<void> {
    this.pages = await ClientPages.start();
  }

  async strike(): Promise<void> {
    for (const peer of this.peers.splice(0)) await peer.close();
    this.pages.forget();
  }

  /** Replaces the server by one with these settings. */
  restage(env: NodeJS.ProcessEnv): Promise<void> {
    return this.stage.restage(env);
  }

  /** Opens a tab with alice's client: in a browser of its own, or beside another one. */
  async tab(name: string, options: Partial<PageOptions> = {}, beside?: ChromiumTab): Promise<ChromiumTab> {
    const page = beside ? await beside.context.newPage() : (await this.stage.open(name)).page;
    await page.goto(this.addressOf(name, options));
    return new ChromiumTab(name, page);
  }

  addressOf(name: string, options: Partial<PageOptions> = {}): string {
    return this.pages.addressOf(name, { url: this.socketUrl, user: 'alice', ...options });
  }

  /** Opens tabs of one browser: the first one has the connection. */
  async tabs(names: readonly string[], options: Partial<PageOptions> = {}): Promise<ChromiumTab[]> {
    const first = await this.tab(names[0]!, options);
    await first.untilState('online');
    const others: ChromiumTab[] = [];
    for (const name of names.slice(1)) {
      const other = await this.tab(name, options, first);
      await other.untilState('online');
      others.push(other);
    }
    return [first, ...others];
  }

  async peer(name = 'bob'): Promise<ChatPeer> {
    const peer = await ChatPeer.connect(this.socketUrl, name);
    this.peers.push(peer);
    return peer;
  }

  /** What the server knows of a user. */
  async user(name = 'alice'): Promise<{ connections: number; pending: number }> {
    const response = await fetch(`${this.site.origin}/chat/users/${name}`);
    return (await response.json()) as { connections: number; pending: number };
  }

  /** Waits until alice has so many connections: the server may not have read yet that one was closed. */
  async untilConnections(count: number): Promise<void> {
    let last: number | undefined;
    await eventually(
      async () => (last = (await this.user()).connections) === count,
      () => `alice has ${count} connections; there are ${last}`,
    );
  }

  /** Waits until so many messages were handed, in this tab or in all. */
  async untilHanded(count: number, tab?: string, ms?: number): Promise<void> {
    await eventually(
      () => this.pages.handed(tab).length >= count,
      () => `${count} messages are handed in ${tab ?? 'all tabs'}; ${JSON.stringify(this.pages.handed(tab))}`,
      ms,
    );
  }

  /** What was handed in one tab, in order, a second time with a mark. */
  handed(tab?: string): string[] {
    return this.pages.handed(tab).map(({ content, redelivered }) => (redelivered ? `${content} (again)` : content));
  }
}

/** Like `describeInChromium`, with pages that have the client library. */
export function describeClient(title: string, body: (stage: ClientStage) => void): void {
  describeInChromium(title, (stage) => {
    const clients = new ClientStage(stage);
    beforeAll(() => clients.open());
    afterEach(() => clients.strike());
    afterAll(() => clients.pages.close());
    body(clients);
  });
}
