import { SwallowingProxy } from '../support/swallowing-proxy.js';
import { eventually } from '../support/deadline.js';
import { describeClient, type ChromiumTab } from './client-stage.js';

describeClient('the client on a bad line', (stage) => {
  let proxy: SwallowingProxy;

  beforeEach(async () => {
    proxy = await SwallowingProxy.start(stage.socketUrl);
  });
  afterEach(() => proxy.close());

  /** Opens a tab whose clock the test advances. */
  async function openWithClock(): Promise<ChromiumTab> {
    const alice = await stage.tab('alice', { connects: false });
    await alice.page.clock.install();
    await alice.page.goto('about:blank');
    await alice.page.goto(stage.addressOf('alice', { url: proxy.url }));
    await alice.untilState('online');
    return alice;
  }

  /** Lets time pass in the page, in steps between which the server can answer. */
  async function pass(alice: ChromiumTab, ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 2_000) {
      await alice.page.clock.runFor(2_000);
      await stage.user();
    }
  }

  /** Lets time pass until it is online again: the try that was made on the dead line comes first. */
  async function untilOnline(alice: ChromiumTab): Promise<void> {
    await eventually(async () => {
      await alice.page.clock.runFor(1_000);
      return (await alice.state()) === 'online';
    });
  }

  /** A cut cable: nothing comes through, and nobody is told. */
  function cut(): void {
    proxy.swallowAfter('toServer', 0);
    proxy.swallowAfter('toClient', 0);
  }

  function mend(): void {
    proxy.swallowAfter('toServer', Infinity);
    proxy.swallowAfter('toClient', Infinity);
  }

  it('finds a dead line within 40 s, also when it only reads, and reads on', async () => {
    const alice = await openWithClock();
    cut();
    const bob = await stage.peer();
    const receipt = bob.send('alice', 'are you there?');
    await alice.page.clock.runFor(24_000);
    expect(await alice.state()).toBe('online');
    await alice.page.clock.runFor(12_000);
    expect((await alice.seen()).states).toContain('waiting: the connection fell silent');
    mend();
    await untilOnline(alice);
    await stage.untilHanded(1);
    await receipt;
  });

  it('finds a dead line within 16 s when it writes, and the message arrives once', async () => {
    const alice = await openWithClock();
    const bob = await stage.peer();
    cut();
    const sent = await alice.send('bob', 'into the void');
    await alice.page.clock.runFor(16_000);
    expect((await alice.seen()).states).toContain('waiting: the connection fell silent');
    mend();
    await untilOnline(alice);
    expect(await alice.settled(sent.id)).toBe('delivered');
    expect(bob.contents).toEqual(['into the void']);
  });

  it('does not call itself online while the device says that it is offline and nobody answers', async () => {
    const alice = await stage.tab('alice', { url: proxy.url });
    await alice.untilState('online');
    cut();
    await alice.context.setOffline(true);
    await alice.untilState('waiting');
    await alice.send('bob', 'written on the train');
    mend();
    await alice.context.setOffline(false);
    await alice.untilState('online');
    await alice.untilNothingPends();
    const { states } = await alice.seen();
    expect(states.slice(0, 4)).toEqual([
      'connecting',
      'online',
      'connecting: the device says that it is offline',
      'waiting: the connection fell silent',
    ]);
  });

  it('stays online when the device calls itself offline and the server answers', async () => {
    const alice = await stage.tab('alice', { url: proxy.url });
    await alice.untilState('online');
    await alice.run('dispatchEvent(new Event("offline"))');
    await alice.untilState('online');
    expect((await alice.seen()).states).toEqual([
      'connecting',
      'online',
      'connecting: the device says that it is offline',
      'online',
    ]);
  });

  it.each([
    ['forward', '2036-01-01T00:00:00Z'],
    ['back', '2001-01-01T00:00:00Z'],
  ])('neither floods nor sticks when somebody sets the clock far %s', async (_direction, time) => {
    const alice = await openWithClock();
    const bob = await stage.peer();
    const before = await alice.send('bob', 'before');
    expect(await alice.settled(before.id)).toBe('delivered');
    await alice.page.clock.setSystemTime(time);
    await pass(alice, 120_000);
    await alice.untilState('online');
    const { framesOut } = await alice.seen();
    expect(framesOut).toBeLessThan(20);
    const after = await alice.send('bob', 'after');
    expect(await alice.settled(after.id)).toBe('delivered');
    await bob.send('alice', 'and back');
    await stage.untilHanded(1);
    await stage.untilConnections(1);
  });

  it('looks at once when it wakes with a laptop, and finds the dead line within 6 s', async () => {
    const alice = await openWithClock();
    cut();
    await alice.page.clock.fastForward(3_600_000);
    await alice.page.clock.runFor(6_000);
    expect((await alice.seen()).states).toContain('waiting: the connection fell silent');
    mend();
    await untilOnline(alice);
  });

  it('goes on with a living line when it wakes with a laptop', async () => {
    const alice = await openWithClock();
    await alice.page.clock.fastForward(3_600_000);
    await alice.page.clock.runFor(1_000);
    await alice.untilState('online');
    const bob = await stage.peer();
    expect(await bob.send('alice', 'good morning')).toBe('delivered');
    await stage.untilConnections(1);
    expect((await alice.seen()).states.filter((state) => state.startsWith('waiting'))).toEqual([]);
  });
});
