import type { Reader } from './reader.js';
import { describeInChromium } from './stage.js';

describeInChromium('the chat page, when its connection ends,', (stage) => {
  /** Opens the page with its clock stopped. Its timers run when the test advances the clock. */
  async function openInStillTime(name: string): Promise<Reader> {
    const reader = await stage.open(name);
    await reader.page.clock.install({ time: '2026-11-23T09:00:00Z' });
    await reader.page.goto(stage.site.origin);
    // The half hour that is skipped would end a pending request for the settings.
    await reader.page.getByLabel('Your name').waitFor();
    await reader.page.clock.pauseAt('2026-11-23T09:30:00Z');
    return reader;
  }

  it('says that a newer one replaced it, and leaves the name to that one', async () => {
    const older = await openInStillTime('alice');
    await older.connect();
    await older.untilStatus('online as alice');
    const newer = await stage.arrive('alice');
    await older.untilStatus('offline: replaced by a newer connection under the same name');
    await older.page.clock.runFor(120_000);
    expect(await older.status.getAttribute('data-state')).toBe('stopped');
    const bob = await stage.arrive('bob');
    await bob.write('alice', 'which of you is it?');
    await newer.sees('bob', 'which of you is it?');
    await older.page.getByRole('button', { name: 'Connect' }).click();
    await older.untilStatus('online as alice');
    await newer.untilStatus('replaced');
  });

  it('comes back by itself after a restart of the server, with what was written meanwhile', async () => {
    const alice = await openInStillTime('alice');
    await alice.connect();
    await alice.untilStatus('online as alice');
    const startAgain = await stage.site.stop();
    await alice.untilStatus(/offline: the server is going away; trying again in [1-5] s/);
    await alice.write('bob', 'while it was away');
    await alice.sees('while it was away', 'waits for the connection');
    await startAgain();
    await alice.page.clock.runFor(5_000);
    await alice.untilStatus('online as alice');
    await alice.sees('while it was away', 'stored');
    const bob = await stage.arrive('bob');
    await bob.sees('alice', 'while it was away', 'waited');
    expect(await bob.contents()).toEqual(['while it was away']);
  });

  it('says that the server cannot be reached, and goes on trying', async () => {
    const alice = await openInStillTime('alice');
    const startAgain = await stage.site.stop();
    await alice.connect();
    await alice.untilStatus('offline: the server cannot be reached; trying again in');
    await startAgain();
    await alice.page.clock.runFor(500);
    await alice.untilStatus('online as alice');
    expect(await alice.status.getAttribute('data-state')).toBe('online');
  });

  it('sends the messages without a receipt again, each with the same id', async () => {
    const bob = await stage.arrive('bob');
    const alice = await stage.open('alice');
    const ids: string[] = [];
    await alice.page.routeWebSocket(/\/chat\?/, (route) => {
      const server = route.connectToServer();
      const first = ids.length === 0;
      route.onMessage((frame) => {
        const { event, data } = JSON.parse(String(frame)) as { event: string; data: { id: string } };
        if (event === 'send') ids.push(data.id);
        server.send(frame);
      });
      server.onMessage((frame) => {
        if (first && String(frame).includes('"receipts"')) void route.close({ code: 1011 });
        else route.send(frame);
      });
    });
    await alice.page.goto(stage.site.origin);
    await alice.connect();
    await alice.write('bob', 'only once');
    await alice.sees('only once', 'delivered');
    expect(ids).toEqual([ids[0], ids[0]]);
    await alice.write('bob', 'marker');
    await bob.sees('marker');
    expect(await bob.contents()).toEqual(['only once', 'marker']);
  });

  it('gives up the message whose frame the server did not take, and brings the others', async () => {
    const alice = await stage.arrive('alice');
    await alice.page.getByRole('button', { name: 'Disconnect' }).click();
    await alice.write('bob', 'before');
    await alice.write('bob', '\u0001'.repeat(60_000)); // Six bytes each, as JSON writes them.
    await alice.write('bob', 'after');
    await alice.page.getByRole('button', { name: 'Connect' }).click();
    await alice.sees('refused: the server does not take so big a message');
    await alice.sees('before', 'stored');
    await alice.sees('after', 'stored');
    expect(await alice.rows.filter({ hasText: 'refused' }).count()).toBe(1);
  });

  it('stays away for as long as the server that is going away asks, and comes back within seconds of that', async () => {
    const alice = await openInStillTime('alice');
    let connections = 0;
    await alice.page.routeWebSocket(/\/chat\?/, (route) => {
      connections += 1;
      const server = route.connectToServer();
      if (connections > 1) return;
      server.onMessage((welcome) => {
        route.send(welcome);
        void route.close({ code: 1001, reason: 'the server is going away; retry-after=70 please' });
      });
    });
    await alice.page.reload();
    await alice.connect();
    await alice.untilStatus('offline: the server is going away; trying again in 1 min');
    await alice.page.clock.runFor(69_900);
    expect([connections, await alice.status.getAttribute('data-state')]).toEqual([1, 'waiting']);
    await alice.page.clock.runFor(4_200);
    await alice.untilStatus('online as alice');
    expect(connections).toBe(2);
  });

  it('says what can be the cause when the server is there and refuses', async () => {
    await stage.restage({ CHAT_ALLOWED_ORIGINS: 'https://app.example.com' });
    const alice = await openInStillTime('alice');
    await alice.connect();
    await alice.untilStatus(
      `it does not let pages of ${stage.site.origin} connect (CHAT_ALLOWED_ORIGINS); trying again in`,
    );
    expect(await alice.status.getAttribute('data-state')).toBe('waiting');
  });

  it.each([
    [1001, 'the server is going away; trying again in', 'waiting'],
    [1011, 'the server failed; trying again in', 'waiting'],
    [4408, 'the connection fell silent; trying again in', 'waiting'],
    [4400, 'the server did not understand this page', 'stopped'],
    [4403, 'disconnected by an administrator', 'stopped'],
  ])('says in words what close code %d means, and what it does about it', async (code, words, state) => {
    const alice = await openInStillTime('alice');
    await alice.page.routeWebSocket(/\/chat\?/, (route) => {
      const server = route.connectToServer();
      server.onMessage((welcome) => {
        route.send(welcome);
        void route.close({ code });
      });
    });
    await alice.page.reload();
    await alice.connect();
    await alice.untilStatus(`offline: ${words}`);
    expect(await alice.status.getAttribute('data-state')).toBe(state);
  });
});
