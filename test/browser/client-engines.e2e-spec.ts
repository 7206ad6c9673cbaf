import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/deadline.js';
import { ChatPeer } from './chat-peer.js';
import { ClientPages, type PageOptions } from './client-pages.js';
import { Firefox, programAt, WebKit, type Engine, type EngineTab } from './other-engines.js';
import { Site } from './site.js';

/** Like `describe`, in another engine than Chromium. Without it the tests are skipped, and fail in CI. */
function describeIn(name: string, programs: readonly string[], start: (folder: string) => Promise<Engine>, body: Body) {
  const isThere = programs.every((program) => programAt(program) !== undefined);
  if (!isThere) {
    process.stderr.write(
      `\n*** NOT TESTED: the client in ${name}. scripts/install-test-tools.sh installs what that takes.\n\n`,
    );
  }
  (isThere || process.env['CI'] ? describe : describe.skip)(`the client in ${name}`, () => {
    const stage = new EngineStage(start);
    beforeEach(() => stage.set());
    afterEach(() => stage.strike());
    body(stage);
  });
}

type Body = (stage: EngineStage) => void;

class EngineStage {
  site!: Site;
  pages!: ClientPages;
  private folder = '';
  private engine: Engine | null = null;
  private peers: ChatPeer[] = [];

  constructor(private readonly start: (folder: string) => Promise<Engine>) {}

  async set(): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), 'holdfast-engine-'));
    this.site = await Site.start();
    this.pages = await ClientPages.start();
    await this.launch();
  }

  /** Starts the browser, with what it has kept. */
  async launch(): Promise<void> {
    this.engine = await this.start(this.folder);
  }

  async kill(): Promise<void> {
    const { engine } = this;
    this.engine = null;
    await engine?.kill();
  }

  async strike(): Promise<void> {
    await this.kill();
    for (const peer of this.peers.splice(0)) await peer.close();
    await this.pages.close();
    await this.site.dispose();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  open(name: string, options: Partial<PageOptions> = {}): Promise<EngineTab> {
    return this.engine!.open(name, this.pages.addressOf(name, { url: this.socketUrl, user: 'alice', ...options }));
  }

  async peer(): Promise<ChatPeer> {
    const peer = await ChatPeer.connect(this.socketUrl, 'bob');
    this.peers.push(peer);
    return peer;
  }

  async connections(): Promise<number> {
    const response = await fetch(`${this.site.origin}/chat/users/alice`);
    return ((await response.json()) as { connections: number }).connections;
  }

  async untilHanded(count: number, tab: string): Promise<void> {
    await eventually(
      () => this.pages.handed(tab).length >= count,
      () => `${count} messages are handed in ${tab}; ${JSON.stringify(this.pages.handed(tab))}`,
    );
  }

  private get socketUrl(): string {
    return `${this.site.origin.replace('http', 'ws')}/chat`;
  }
}

function sharesAndReloads(stage: EngineStage): void {
  it('has one connection for two tabs, and the second goes on when the first is closed', async () => {
    const first = await stage.open('first');
    await first.untilState('online');
    const second = await stage.open('second');
    await second.untilState('online');
    const bob = await stage.peer();
    expect(await bob.send('alice', 'to both')).toBe('delivered');
    await stage.untilHanded(1, 'first');
    await stage.untilHanded(1, 'second');
    expect(await stage.connections()).toBe(1);
    await first.close();
    const sent = await second.send('bob', 'the other one is gone');
    expect(await second.settled(sent.id)).toBe('delivered');
    await bob.send('alice', 'to the one that is left');
    await stage.untilHanded(2, 'second');
    await eventually(async () => (await stage.connections()) === 1);
    expect((await second.seen()).errors).toEqual([]);
  });

  it('sends after a reload what was kept before it, once and in order, and hands nothing again', async () => {
    const bob = await stage.peer();
    const alice = await stage.open('alice');
    await alice.untilState('online');
    await bob.send('alice', 'one of bob');
    await stage.untilHanded(1, 'alice');
    await eventually(async () => (await alice.rows())['inbox'] === 0);
    await alice.run('chat.disconnect()');
    for (const content of ['one', 'two', 'three']) {
      expect(await alice.send('bob', content)).toMatchObject({ persistent: true });
    }
    await alice.reload();
    await bob.until(3);
    await alice.untilNothingPends();
    await bob.send('alice', 'another of bob');
    await stage.untilHanded(2, 'alice');
    expect(bob.contents).toEqual(['one', 'two', 'three']);
    expect(stage.pages.handed('alice').map(({ content }) => content)).toEqual(['one of bob', 'another of bob']);
  });
}

describeIn(
  'Firefox',
  ['firefox-esr'],
  (folder) => Firefox.start(folder),
  (stage) => {
    sharesAndReloads(stage);

    it('sends at the next start after a kill -9 what was kept, and hands with a mark what no handler had', async () => {
      const killed = await stage.open('killed', { handler: 'none' });
      await killed.untilState('online');
      let bob = await stage.peer();
      expect(await bob.send('alice', 'received')).toBe('delivered');
      const startAgain = await stage.site.stop();
      await killed.untilState('waiting');
      for (const content of ['one', 'two', 'three']) await killed.send('bob', content);
      await stage.kill();
      await startAgain();
      bob = await stage.peer();
      await stage.launch();
      const restarted = await stage.open('restarted');
      await bob.until(3);
      await restarted.untilNothingPends();
      expect(bob.contents).toEqual(['one', 'two', 'three']);
      await stage.untilHanded(1, 'restarted');
      expect(stage.pages.handed('restarted')).toMatchObject([{ content: 'received', redelivered: true }]);
    });
  },
);

describeIn('WebKitGTK', ['WebKitWebDriver', 'xvfb-run'], (folder) => WebKit.start(folder), sharesAndReloads);
