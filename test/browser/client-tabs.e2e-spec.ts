import { eventually } from '../support/deadline.js';
import { describeClient, type ChromiumTab } from './client-stage.js';

/** Numbers as contents. */
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => String(from + index));

/** Longer than the inbox takes a step without asking whether its tab still leads. */
const HANG_MS = 7_000;

describeClient('the tabs of one user', (stage) => {
  /** Bob writes these to alice, and has a receipt for each. */
  async function bobWrites(contents: readonly string[]): Promise<void> {
    const bob = await stage.peer();
    await Promise.all(contents.map((content) => bob.send('alice', content)));
    await bob.close();
  }

  /** The tab was handed these, in this order. None came again without a mark. */
  async function expectShown(tab: ChromiumTab, contents: readonly string[]): Promise<void> {
    const last = contents.at(-1)!;
    await eventually(() => stage.pages.handed(tab.name).some(({ content }) => content === last));
    const shown = new Set<string>();
    for (const { content, redelivered } of stage.pages.handed(tab.name)) {
      expect([content, shown.has(content) && !redelivered]).toEqual([content, false]);
      shown.add(content);
    }
    expect([...shown]).toEqual(contents);
  }

  /** Ends the process of the tab's page. */
  async function crash(tab: ChromiumTab): Promise<void> {
    const session = await tab.context.newCDPSession(tab.page);
    const crashed = tab.page.waitForEvent('crash');
    session.send('Page.crash').catch(() => undefined); // Nobody is left to answer.
    await crashed;
  }

  it('have one connection, and every tab shows what comes', async () => {
    const tabs = await stage.tabs(['first', 'second', 'third']);
    await bobWrites(numbers(1, 3));
    for (const { name } of tabs) await stage.untilHanded(3, name);
    for (const { name } of tabs) expect(stage.handed(name)).toEqual(numbers(1, 3));
    expect(await stage.user()).toMatchObject({ connections: 1, pending: 0 });
    const frames = await Promise.all(tabs.map(async (tab) => (await tab.seen()).framesIn > 0));
    expect(frames).toEqual([true, false, false]);
    for (const tab of tabs) expect((await tab.seen()).errors).toEqual([]);
  });

  it('hear a signal in every tab, and send one from any', async () => {
    const bob = await stage.peer();
    const tabs = await stage.tabs(['first', 'second', 'third']);
    bob.signal('alice', 'at', { line: 7 });
    for (const tab of tabs) {
      await eventually(async () => JSON.stringify((await tab.seen()).signals) === '[["bob","at",{"line":7}]]');
    }
    for (const [index, tab] of tabs.entries()) {
      await tab.run(`chat.signal('bob', 'from-${tab.name}')`);
      await eventually(() => bob.signals.length > index);
    }
    expect(bob.signals).toEqual(['alice from-first', 'alice from-second', 'alice from-third']);
    await bob.close();
  });

  it('send from any tab, and the tab that has sent it has the receipt', async () => {
    const bob = await stage.peer();
    const [first, second, third] = await stage.tabs(['first', 'second', 'third']);
    const sent = await second!.send('bob', 'from the second tab');
    expect(sent.persistent).toBe(true);
    expect(await second!.settled(sent.id)).toBe('delivered');
    const next = await third!.send('bob', 'from the third');
    expect(await third!.settled(next.id)).toBe('delivered');
    expect(bob.contents).toEqual(['from the second tab', 'from the third']);
    for (const tab of [first!, second!, third!]) {
      await eventually(async () => (await tab.seen()).receipts.join() === 'delivered,delivered');
      expect(await tab.pending()).toEqual([]);
    }
  });

  it('show in each tab what waits in any of them, also in one that is opened later', async () => {
    const [first, second] = await stage.tabs(['first', 'second']);
    const startAgain = await stage.site.stop();
    await second!.untilState('waiting');
    await second!.send('bob', 'one');
    await first!.send('bob', 'two');
    const third = await stage.tab('third', {}, first);
    for (const tab of [first!, second!, third]) {
      await eventually(async () => (await tab.pending()).sort().join() === 'one,two');
    }
    await startAgain();
    await second!.run('chat.connect()');
    for (const tab of [first!, second!, third]) await tab.untilNothingPends();
    const bob = await stage.peer();
    await bob.until(2);
    expect(bob.contents).toEqual(['one', 'two']);
  });

  it('take a message back from any tab while it waits', async () => {
    const [first, second] = await stage.tabs(['first', 'second']);
    await first!.run('chat.disconnect()');
    await second!.untilState('idle');
    const sent = await second!.send('bob', 'a slip of the tongue');
    await first!.send('bob', 'this one is meant');
    await eventually(async () => (await first!.pending()).includes('a slip of the tongue'));
    await first!.run(`chat.cancel(${JSON.stringify(sent.id)})`);
    expect(await second!.settled(sent.id)).toBe('CANCELLED');
    await second!.run('chat.connect()');
    await first!.untilNothingPends();
    const bob = await stage.peer();
    await bob.until(1);
    expect(bob.contents).toEqual(['this one is meant']);
    await eventually(async () => (await second!.rows())['outbox'] === 0);
  });

  it('go offline and online together, from any tab', async () => {
    const [first, second] = await stage.tabs(['first', 'second']);
    await second!.run('chat.disconnect()');
    await first!.untilState('idle');
    await second!.untilState('idle');
    await stage.untilConnections(0);
    await second!.run('chat.connect()');
    await first!.untilState('online');
    await second!.untilState('online');
    expect((await stage.user()).connections).toBe(1);
  });

  it('go on when one of them leaves, which comes back without a second connection', async () => {
    const [first, second] = await stage.tabs(['first', 'second']);
    await first!.run('chat.leave()');
    await first!.untilState('idle');
    const sent = await second!.send('bob', 'at that moment');
    expect(['delivered', 'stored']).toContain(await second!.settled(sent.id));
    await first!.run('chat.connect()');
    await first!.untilState('online');
    expect(await second!.state()).toBe('online');
    await stage.untilConnections(1);
    await second!.run('chat.leave()');
    await first!.run('chat.leave()');
    await stage.untilConnections(0);
  });

  it('that each have a connection are each handed all that comes', async () => {
    await stage.restage({ CHAT_SESSIONS: 'multiple' });
    const tabs = await stage.tabs(['first', 'second'], { tabs: 'separate' });
    expect((await stage.user()).connections).toBe(2);
    await bobWrites(numbers(1, 3));
    for (const { name } of tabs) {
      await stage.untilHanded(3, name);
      expect(stage.handed(name)).toEqual(numbers(1, 3));
    }
  });

  it('go on at once when the tab with the connection is closed, and lose and double nothing', async () => {
    const [first, second, third] = await stage.tabs(['first', 'second', 'third']);
    await bobWrites(numbers(1, 10));
    const closed = first!.page.close();
    await bobWrites(numbers(11, 30));
    const sent = await third!.send('bob', 'at that moment');
    expect(['delivered', 'stored']).toContain(await third!.settled(sent.id));
    await closed;
    for (const tab of [second!, third!]) {
      await expectShown(tab, numbers(1, 30));
    }
    await stage.untilConnections(1);
  });

  it('go on when the tab with the connection crashes, and lose nothing', async () => {
    const [first, second] = await stage.tabs(['first', 'second']);
    await bobWrites(['before']);
    await stage.untilHanded(1, 'second');
    await crash(first!);
    const sent = await second!.send('bob', 'after the crash');
    await bobWrites(['after']);
    await eventually(() => stage.handed('second').includes('after'));
    // The crash may come before the tab has noted that it handed the first: then that comes again, with its mark.
    expect(stage.handed('second').filter((content) => content !== 'before (again)')).toEqual(['before', 'after']);
    expect(['delivered', 'stored']).toContain(await second!.settled(sent.id));
    await stage.untilConnections(1);
  });

  it('hand with a mark what the tab that crashed had begun to hand', async () => {
    const [first] = await stage.tabs(['first', 'second'], { handler: 'sticks' });
    await bobWrites(numbers(1, 3));
    for (const name of ['first', 'second']) await stage.untilHanded(1, name);
    await crash(first!);
    await stage.untilHanded(2, 'second');
    // It was shown beside the first tab, and then came with the duty to handle it.
    expect(stage.handed('second')).toEqual(['1', '1 (again)']);
  });

  it('replace the tab with the connection when it hangs, and it hands nothing a second time when it wakes', async () => {
    const first = await stage.tab('first');
    await first.untilState('online');
    const second = await stage.tab('second', { connects: false }, first);
    await second.page.clock.install();
    await second.page.goto('about:blank');
    await second.page.goto(stage.addressOf('second'));
    await second.untilState('online');
    await bobWrites(['before']);
    await stage.untilHanded(1, 'second');
    // A tab that hangs within a transaction holds the database, too.
    await eventually(async () => (await first.rows())['inbox'] === 0);
    const hung = first.run(`hang(${HANG_MS})`);
    await eventually(() => stage.pages.told.some(({ what }) => what === 'hangs'));
    const written = bobWrites(numbers(1, 5));
    const sent = await second.send('bob', 'who is there?');
    await second.page.clock.runFor(16_000);
    expect(['delivered', 'stored']).toContain(await second.settled(sent.id));
    await written;
    await hung;
    await bobWrites(['after']);
    await expectShown(first, ['before', ...numbers(1, 5), 'after']);
    await expectShown(second, ['before', ...numbers(1, 5), 'after']);
    await stage.untilConnections(1);
    await first.untilState('online');
    for (const tab of [first, second]) expect((await tab.seen()).errors).toEqual([]);
  });
});
