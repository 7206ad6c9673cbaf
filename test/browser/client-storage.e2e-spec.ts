import { eventually } from '../support/deadline.js';
import { ChatPeer } from './chat-peer.js';
import { Tab } from './client-tab.js';
import { describeClient, type ChromiumTab } from './client-stage.js';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index + 1));

describeClient('the storage of the client', (stage) => {
  async function fill(tab: ChromiumTab): Promise<void> {
    const session = await tab.context.newCDPSession(tab.page);
    await session.send('Storage.overrideQuotaForOrigin', { origin: stage.pages.origin, quotaSize: 1 });
  }

  it('is replaced by the memory when the disk is full, says so, and messages still go', async () => {
    const alice = await stage.tab('alice');
    await alice.untilState('online');
    await fill(alice);
    const sent = await alice.send('bob', 'without a disk');
    expect(sent.persistent).toBe(false);
    expect(await alice.settled(sent.id)).toBe('stored');
    expect((await alice.seen()).errors).toEqual([expect.stringMatching(/^store: .*[Qq]uota/)]);
    const bob = await stage.peer();
    await bob.until(1);
    expect(await bob.send('alice', 'can you read this?')).toBe('delivered');
    await stage.untilHanded(1);
    expect(stage.handed()).toEqual(['can you read this?']);
  });

  it('is the memory where the browser denies any other, says so, and messages still go', async () => {
    const outer = await stage.tab('outer', { connects: false });
    await outer.page.goto(stage.addressOf('framed').replace('/#', '/denied#'));
    await eventually(() => outer.page.frames().length === 2);
    const alice = Tab.of('framed', outer.page.frames()[1]!);
    await alice.untilState('online');
    const sent = await alice.send('bob', 'from a frame without storage');
    expect(sent.persistent).toBe(false);
    expect(await alice.settled(sent.id)).toBe('stored');
    const bob = await stage.peer();
    expect(await bob.send('alice', 'hello')).toBe('delivered');
    await stage.untilHanded(1);
    expect((await alice.seen()).errors).toEqual([expect.stringMatching(/^store: SecurityError/)]);
  });

  it('is not shared by two users of one browser', async () => {
    const alice = await stage.tab('alice', { connects: false });
    await alice.send('bob', 'a secret of alice');
    const carol = await stage.tab('carol', { user: 'carol' }, alice);
    await carol.untilState('online');
    expect(await carol.pending()).toEqual([]);
    const sent = await carol.send('bob', 'from carol');
    expect(await carol.settled(sent.id)).toBe('stored');
    const bob = await stage.peer();
    await bob.until(1);
    expect(bob.arrived).toMatchObject([{ from: 'carol', content: 'from carol' }]);
    expect(await alice.pending()).toEqual(['a secret of alice']);
  });

  it('is empty after a sign-out, in every tab, and nothing that waited goes out', async () => {
    const bob = await stage.peer();
    const [first, second] = await stage.tabs(['first', 'second'], { handler: 'none' });
    await bob.send('alice', 'received, and read by nobody');
    const startAgain = await stage.site.stop();
    const sent = await second!.send('bob', 'never mind');
    await first!.send('bob', 'never mind either');
    await second!.run('chat.clear()');
    expect(await second!.settled(sent.id)).toBe('CLOSED');
    for (const tab of [first!, second!]) {
      await eventually(async () => (await tab.pending()).length === 0 && (await tab.state()) === 'idle');
    }
    expect(await first!.rows()).toEqual({ outbox: 0, inbox: 0, seen: 0 });
    await startAgain();
    const late = await stage.peer();
    await first!.run('chat.connect()');
    await first!.untilState('online');
    const marker = await first!.send('bob', 'somebody new');
    expect(await first!.settled(marker.id)).toBe('delivered');
    expect(late.contents).toEqual(['somebody new']);
  });

  it('loses nothing that is written right after a sign-out', async () => {
    const [first, second] = await stage.tabs(['first', 'second']);
    await second!.run('chat.clear()');
    await second!.send('bob', 'kept');
    await first!.untilState('idle');
    await eventually(async () => (await first!.pending()).length === 1);
    expect(await first!.rows()).toMatchObject({ outbox: 1 });
    await second!.run('chat.connect()');
    await first!.untilNothingPends();
    const bob = await stage.peer();
    await bob.until(1);
    expect(bob.contents).toEqual(['kept']);
  });

  it('lets a later version of the library upgrade it from another tab, and goes on', async () => {
    const [first, second] = await stage.tabs(['first', 'second']);
    expect(await second!.run('upgradeDatabase()')).toBe('upgraded');
    const sent = await first!.send('bob', 'as before');
    expect(sent.persistent).toBe(true);
    expect(await first!.settled(sent.id)).toBe('stored');
    const bob = await stage.peer();
    expect(await bob.send('alice', 'and back')).toBe('delivered');
    await stage.untilHanded(2);
    expect((await first!.seen()).errors).toEqual([]);
  });

  it('goes on when the browser removes it under an open page', async () => {
    const alice = await stage.tab('alice');
    await alice.untilState('online');
    const session = await alice.context.newCDPSession(alice.page);
    await session.send('Storage.clearDataForOrigin', { origin: stage.pages.origin, storageTypes: 'indexeddb' });
    const sent = await alice.send('bob', 'still here');
    expect(sent.persistent).toBe(true);
    expect(await alice.settled(sent.id)).toBe('stored');
    expect((await alice.seen()).errors).toEqual([]);
  });

  it('takes 5,000 late messages in a few transactions, in order, and none is handed again after a reload', async () => {
    await stage.restage({
      CHAT_FRAMES_PER_SECOND: 'none',
      CHAT_MAX_PENDING_PER_USER: '10000',
      CHAT_MAX_PENDING_PER_SENDER: '10000',
    });
    const bob = await ChatPeer.connect(stage.socketUrl, 'bob');
    await Promise.all(numbers(5_000).map((content) => bob.send('alice', content)));
    const startedAt = performance.now();
    const alice = await stage.tab('alice', { handler: 'counts' });
    await eventually(async () => (await alice.run('seen.contents.length')) === 5_000);
    process.stderr.write(`5,000 late messages: ${Math.round(performance.now() - startedAt)} ms with the page\n`);
    const { contents, writes, acks, errors } = await alice.seen();
    expect(contents).toEqual(numbers(5_000));
    expect({ writes: writes < 500, acks: acks < 500, errors }).toEqual({ writes: true, acks: true, errors: [] });
    await eventually(async () => (await stage.user()).pending === 0);
    await eventually(async () => (await alice.rows())['inbox'] === 0);
    await alice.page.reload();
    await alice.untilState('online');
    await bob.send('alice', 'the next one');
    await eventually(async () => ((await alice.seen()).contents as string[]).length > 0);
    expect((await alice.seen()).contents).toEqual(['the next one']);
    await bob.close();
  });

  it('brings 120 messages that were written offline in order, and none is refused for its speed', async () => {
    await stage.restage({ CHAT_FRAMES_PER_SECOND: '20', CHAT_FRAME_BURST: '60' });
    const bob = await stage.peer();
    const alice = await stage.tab('alice', { connects: false });
    await alice.run(`Promise.all(${JSON.stringify(numbers(120))}.map((content) => send('bob', content)))`);
    await alice.run('chat.connect()');
    await alice.untilNothingPends(20_000);
    expect(bob.contents).toEqual(numbers(120));
    expect([...new Set((await alice.seen()).receipts)]).toEqual(['delivered']);
  });
});
