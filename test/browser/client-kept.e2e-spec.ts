import { SwallowingProxy } from '../support/swallowing-proxy.js';
import { eventually } from '../support/deadline.js';
import type { PageOptions } from './client-pages.js';
import { describeClient, type ChromiumTab } from './client-stage.js';
import { Profile } from './profile.js';

describeClient('what a browser has kept', (stage) => {
  let profile: Profile;

  beforeEach(async () => {
    profile = await Profile.create();
  });
  afterEach(() => profile.dispose());

  const start = (name: string, options: Partial<PageOptions> = {}): Promise<ChromiumTab> =>
    profile.start(name, stage.addressOf(name, options));

  it('goes out at the next start after a kill -9, once and in order', async () => {
    const bob = await stage.peer();
    let alice = await start('killed', { connects: false });
    for (const content of ['one', 'two', 'three']) {
      expect(await alice.send('bob', content)).toMatchObject({ persistent: true });
    }
    await profile.kill();
    alice = await start('restarted');
    await bob.until(3);
    await alice.untilNothingPends();
    expect(bob.contents).toEqual(['one', 'two', 'three']);
    expect((await alice.seen()).receipts).toEqual(['delivered', 'delivered', 'delivered']);
    await eventually(async () => (await alice.rows())['outbox'] === 0);
  });

  it('goes out once when the page is reloaded before the receipts have come', async () => {
    const bob = await stage.peer();
    const proxy = await SwallowingProxy.start(stage.socketUrl);
    try {
      const alice = await start('reloaded', { url: proxy.url });
      await alice.untilState('online');
      proxy.swallowAfter('toClient', 0);
      await alice.send('bob', 'one');
      await alice.send('bob', 'two');
      await bob.until(2);
      expect(await alice.pending()).toEqual(['one', 'two']);
      proxy.swallowAfter('toClient', Infinity);
      await alice.page.reload();
      const sent = await alice.send('bob', 'three');
      expect(await alice.settled(sent.id)).toBe('delivered');
      await alice.untilNothingPends();
      expect(bob.contents).toEqual(['one', 'two', 'three']);
    } finally {
      await proxy.close();
    }
  });

  it('is handed at the next start, with a mark, when a kill -9 came between acknowledgement and handler', async () => {
    const killed = await start('killed', { handler: 'none' });
    await killed.untilState('online');
    const bob = await stage.peer();
    for (const content of ['one', 'two', 'three']) expect(await bob.send('alice', content)).toBe('delivered');
    await profile.kill();
    const alice = await start('restarted');
    await stage.untilHanded(3);
    await bob.send('alice', 'four');
    await stage.untilHanded(4);
    expect(stage.handed()).toEqual(['one (again)', 'two (again)', 'three (again)', 'four']);
    await eventually(async () => (await alice.rows())['inbox'] === 0);
  });

  it('is handed again, with a mark, when a kill -9 came while a handler was busy with it', async () => {
    const killed = await start('killed', { handler: 'sticks' });
    await killed.untilState('online');
    const bob = await stage.peer();
    for (const content of ['one', 'two']) expect(await bob.send('alice', content)).toBe('delivered');
    await stage.untilHanded(1);
    await profile.kill();
    await start('restarted');
    await stage.untilHanded(2, 'restarted');
    expect(stage.handed('killed')).toEqual(['one']);
    expect(stage.handed('restarted')).toEqual(['one (again)', 'two (again)']);
  });

  it('is handed once, over a reload, when the acknowledgement was lost', async () => {
    const proxy = await SwallowingProxy.start(stage.socketUrl);
    try {
      const alice = await start('reader', { url: proxy.url });
      await alice.untilState('online');
      proxy.swallowAfter('toServer', 0);
      const bob = await stage.peer();
      const receipt = bob.send('alice', 'one');
      await stage.untilHanded(1);
      await eventually(async () => (await alice.rows())['inbox'] === 0);
      proxy.swallowAfter('toServer', Infinity);
      await alice.page.reload();
      expect(['delivered', 'stored']).toContain(await receipt);
      await bob.send('alice', 'two');
      await stage.untilHanded(2);
      expect(stage.handed()).toEqual(['one', 'two']);
      await eventually(async () => (await stage.user()).pending === 0);
    } finally {
      await proxy.close();
    }
  });
});

describeClient('a page that somebody comes back to', (stage) => {
  let profile: Profile;

  beforeEach(async () => {
    profile = await Profile.create();
  });
  afterEach(() => profile.dispose());

  /** Until the page is there again, also for who asks it: the browser swaps the two a moment later. */
  const untilRestored = async ({ page }: ChromiumTab) => {
    await eventually(() => stage.pages.told.some(({ what }) => what === 'restored'));
    await eventually(() => page.evaluate("!location.pathname.includes('elsewhere')").then(Boolean, () => false));
  };

  it('works again, and has left the connection to another tab meanwhile', async () => {
    const first = await profile.start('first', stage.addressOf('first'));
    await first.untilState('online');
    const second = await stage.tab('second', {}, first);
    await second.untilState('online');
    await first.page.goto(`${stage.pages.origin}/elsewhere`);
    await eventually(async () => (await second.seen()).framesIn > 0);
    await stage.untilConnections(1);
    await first.run('void history.back()'); // `goBack` waits for a load, which does not come.
    await untilRestored(first);
    await first.untilState('online');
    const { framesIn } = await first.seen();
    await second.page.close();
    await eventually(async () => (await first.seen()).framesIn > framesIn);
    const bob = await stage.peer();
    await first.untilState('online');
    expect(await bob.send('alice', 'welcome back')).toBe('delivered');
    await stage.untilHanded(1, 'first');
    const sent = await first.send('bob', 'thank you');
    expect(await first.settled(sent.id)).toBe('delivered');
    await stage.untilConnections(1);
  });

  it('knows what became of its messages meanwhile', async () => {
    const first = await profile.start('first', stage.addressOf('first'));
    await first.untilState('online');
    const second = await stage.tab('second', {}, first);
    await second.untilState('online');
    const startAgain = await stage.site.stop();
    const sent = await first.send('bob', 'before I left');
    await eventually(async () => (await second.pending()).length === 1);
    await first.page.goto(`${stage.pages.origin}/elsewhere`);
    await startAgain();
    await second.run('chat.connect()');
    await second.untilNothingPends();
    await first.run('void history.back()'); // `goBack` waits for a load, which does not come.
    await untilRestored(first);
    expect(await first.settled(sent.id)).toBe('stored');
    expect(await first.pending()).toEqual([]);
    const bob = await stage.peer();
    await bob.until(1);
    expect(bob.contents).toEqual(['before I left']);
  });
});
