import { eventually } from '../support/deadline.js';
import type { Reader } from './reader.js';
import { describeInChromium } from './stage.js';

describeInChromium('the chat page, when its connection ends,', (stage) => {
  /**
   * Opens the page with its clock stopped. Its timers run when the test advances the clock, and each random pause before
   * a try is as long as it can be.
   */
  async function openInStillTime(name: string): Promise<Reader> {
    const reader = await stage.open(name);
    await reader.page.addInitScript('Math.random = () => 0.999');
    await reader.page.clock.install({ time: '2026-11-23T09:00:00Z' });
    await reader.page.goto(stage.site.origin);
    // The half hour that is skipped would end a pending request for the settings.
    await reader.page.getByLabel('Your name').waitFor();
    await reader.page.clock.pauseAt('2026-11-23T09:30:00Z');
    return reader;
  }

  const countdownOf = ({ page }: Reader) => page.locator('#countdown');

  /** The buttons beside the status, and those of the connection among the others. */
  async function buttonsOf({ page }: Reader): Promise<string[]> {
    const buttons = page.locator('#connect, #disconnect').filter({ visible: true });
    return buttons.allTextContents();
  }

  it('says that a newer one replaced it, and leaves the name to that one', async () => {
    const older = await openInStillTime('alice');
    await older.connect();
    await older.untilStatus('online as alice');
    const newer = await stage.arrive('alice');
    await older.untilStatus(
      'offline: replaced by a newer connection of the same user; only one of them can be connected',
    );
    await older.page.clock.runFor(120_000);
    expect(await older.status.getAttribute('data-state')).toBe('stopped');
    const bob = await stage.arrive('bob');
    await bob.write('alice', 'which of you is it?');
    await newer.opens('bob');
    await newer.sees('which of you is it?');
    expect(await buttonsOf(older)).toEqual(['Use it here']);
    await older.button('Use it here').click();
    await older.untilStatus('online as alice');
    await newer.untilStatus('replaced');
  });

  it('counts the seconds to the next try, offers to try now, and sends what was written meanwhile', async () => {
    const alice = await openInStillTime('alice');
    await alice.connect();
    await alice.untilStatus('online as alice');
    expect(await buttonsOf(alice)).toEqual(['Disconnect']);
    const startAgain = await stage.site.stop();
    await alice.untilStatus('offline: the server is going away');
    const shown = /^trying again in ([1-5]) secs?$/;
    const seconds = async () => Number(shown.exec((await countdownOf(alice).textContent())!)![1]);
    const before = await seconds();
    await alice.page.clock.runFor(1_000);
    expect(await seconds()).toBe(Math.max(1, before - 1));
    expect(await countdownOf(alice).evaluate((each) => each.closest('[role=status], [aria-live]'))).toBeNull();
    expect(await buttonsOf(alice)).toEqual(['Try now']);
    await alice.write('bob', 'while it was away');
    await alice.sees('while it was away', 'waits for the connection');
    await startAgain();
    await alice.button('Try now').click();
    await alice.untilStatus('online as alice');
    await alice.sees('while it was away', 'stored');
    expect(await countdownOf(alice).isVisible()).toBe(false);
    const bob = await stage.arrive('bob');
    await bob.opens('alice');
    await bob.sees('while it was away', 'waited');
    expect(await bob.contents()).toEqual(['while it was away']);
  });

  it('says that the server cannot be reached, and goes on trying', async () => {
    const alice = await openInStillTime('alice');
    const startAgain = await stage.site.stop();
    await alice.connect();
    await alice.untilStatus('offline: the server cannot be reached');
    await startAgain();
    await alice.page.clock.runFor(500);
    await alice.untilStatus('online as alice');
    expect(await alice.status.getAttribute('data-state')).toBe('online');
  });

  it('says at once that the device is offline, and that it is checked', async () => {
    const alice = await openInStillTime('alice');
    let isDead = false;
    await alice.page.routeWebSocket(/\/chat\?/, (route) => {
      const server = route.connectToServer();
      server.onMessage((frame) => isDead || route.send(frame));
      route.onMessage((frame) => isDead || server.send(frame));
    });
    await alice.page.reload();
    await alice.connect();
    await alice.untilStatus('online as alice');
    isDead = true;
    await alice.page.evaluate(`dispatchEvent(new Event('offline'))`);
    await alice.untilStatus('checking the connection: the device says that it is offline');
    await alice.page.clock.runFor(2_000);
    await alice.untilStatus('offline: the connection fell silent');
  });

  it('finds out by itself that a connection on which nothing comes any more is dead, also if it only reads', async () => {
    const alice = await openInStillTime('alice');
    const written: string[] = [];
    let isDead = false;
    await alice.page.routeWebSocket(/\/chat\?/, (route) => {
      const server = route.connectToServer();
      route.onMessage((frame) => {
        written.push(String(frame));
        if (!isDead) server.send(frame);
      });
    });
    await alice.page.reload();
    await alice.connect();
    await alice.untilStatus('online as alice');
    isDead = true;
    await alice.page.clock.runFor(25_100);
    await eventually(() => written.some((frame) => frame.includes('"ping"')));
    expect(await alice.status.getAttribute('data-state')).toBe('online');
    isDead = false;
    await alice.page.clock.runFor(10_000);
    await alice.untilStatus(/the connection fell silent|connecting|online/);
    await alice.page.clock.runFor(1_000);
    await alice.untilStatus('online as alice');
    expect(written.filter((frame) => frame.includes('"ping"'))).toHaveLength(1);
  });

  it('gives up the message whose frame the server did not take, and brings the others', async () => {
    const alice = await stage.arrive('alice');
    await alice.disconnect();
    await alice.write('bob', 'before');
    await alice.write('bob', '\u0001'.repeat(60_000)); // Six bytes each, as JSON writes them.
    await alice.write('bob', 'after');
    await alice.button('Connect').click();
    await alice.sees('refused: the server does not take so big a message');
    await alice.sees('before', 'stored');
    await alice.sees('after', 'stored');
    expect(await alice.rows.filter({ hasText: 'refused' }).count()).toBe(1);
    expect(await alice.button('Send again').count()).toBe(0);
  });

  it('sends to everyone no faster than the server allows, so that nothing is refused', async () => {
    const alice = await stage.arrive('alice');
    for (let number = 1; number <= 12; number += 1) await alice.write(null, `call ${number};`);
    await alice.sees('call 12;', 'sent to 1 connection');
    expect(await alice.rows.filter({ hasText: /refused|perhaps/ }).count()).toBe(0);
    expect(await alice.contents()).toEqual(Array.from({ length: 12 }, (_, index) => `call ${index + 1};`));
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
    await alice.untilStatus('offline: the server is going away');
    await countdownOf(alice).filter({ hasText: 'trying again in 1 min' }).waitFor();
    await alice.page.clock.runFor(69_900);
    expect([connections, await alice.status.getAttribute('data-state')]).toEqual([1, 'waiting']);
    await alice.page.clock.runFor(4_200);
    await alice.untilStatus('online as alice');
    expect(connections).toBe(2);
  });

  it('says why the server refuses the handshake', async () => {
    await stage.restage({ CHAT_ALLOWED_ORIGINS: 'https://app.example.com' });
    const alice = await openInStillTime('alice');
    await alice.connect();
    await alice.untilStatus(/^offline: .*origin/);
    expect(await alice.status.getAttribute('data-state')).toBe('waiting');
  });

  it.each([
    [1011, 'the server failed', 'waiting', 'Try now'],
    [4408, 'the connection fell silent', 'waiting', 'Try now'],
    [4400, 'the server did not understand this client; load this page again', 'stopped', 'Load again'],
    [4403, 'disconnected by an administrator; ask whoever runs this server', 'stopped', 'Connect'],
  ])('says in words what close code %d means, and what one can do about it', async (code, words, state, button) => {
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
    expect([await alice.status.getAttribute('data-state'), await buttonsOf(alice)]).toEqual([state, [button]]);
  });
});
