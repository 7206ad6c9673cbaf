import axe from 'axe-core';
import { eventually } from '../support/deadline.js';
import { ChatPeer } from './chat-peer.js';
import { describeInChromium } from './stage.js';

describeInChromium('the chat page, while somebody types,', (stage) => {
  const peer = (name: string) => ChatPeer.connect(`ws://127.0.0.1:${stage.site.port}/chat`, name);

  it('says so to the other until the message is sent, or nothing is typed any more', async () => {
    const alice = await stage.arrive('alice');
    const bob = await stage.open('bob');
    await bob.page.clock.install();
    await bob.page.goto(stage.site.origin);
    await bob.connect();
    await bob.untilStatus('online as bob');
    await alice.begins('bob');
    await bob.begins('alice');
    const typing = alice.page.locator('#typing');
    await bob.field.pressSequentially('hel');
    await typing.filter({ hasText: 'is typing…' }).waitFor();
    expect(await alice.page.locator('#typing-spoken').textContent()).toBe('bob is typing');
    expect(await bob.page.locator('#typing').textContent()).toBe('');
    await bob.field.press('Enter');
    await alice.sees('hel');
    await eventually(async () => (await typing.textContent()) === '');
    await bob.field.fill('and another');
    await typing.filter({ hasText: 'is typing…' }).waitFor();
    expect(await alice.page.locator('#typing-spoken').textContent()).toBe('');
    await bob.page.clock.runFor(4_000);
    await eventually(async () => (await typing.textContent()) === '');
    await bob.field.fill('and another one');
    await typing.filter({ hasText: 'is typing…' }).waitFor();
    await bob.opens(null);
    await eventually(async () => (await typing.textContent()) === '');
  });

  it('tells the other at most every few seconds, and nobody about what goes to everyone or to oneself', async () => {
    const alice = await stage.arrive('alice');
    const bob = await peer('bob');
    await alice.begins('bob');
    await alice.field.pressSequentially('see you'); // All within the seconds.
    await eventually(() => bob.signals.length > 0);
    for (const name of [null, 'alice']) {
      if (name === null) await alice.opens(name);
      else await alice.begins(name);
      await alice.field.fill('x');
      expect(await alice.page.locator('#typing').textContent()).toBe('');
    }
    await alice.write('bob', 'see you');
    await bob.until(1);
    expect(bob.signals).toEqual(['alice composing', 'alice paused', 'alice composing', 'alice paused']);
    await bob.close();
  });

  it('says so of whoever is open alone, also of a name that has no end, on a phone', async () => {
    const name = 'o'.repeat(128);
    const alice = await stage.arrive('alice', {
      viewport: { width: 390, height: 844 },
      hasTouch: true,
      isMobile: true,
    });
    const [bob, other] = [await peer('bob'), await peer(name)];
    await alice.begins(name);
    bob.signal('alice', 'composing');
    other.signal('alice', 'composing');
    await alice.page.locator('#typing').filter({ hasText: 'is typing…' }).waitFor();
    const outside = await alice.page.evaluate(
      `document.querySelector('#typing').getBoundingClientRect().right - document.documentElement.clientWidth`,
    );
    expect(outside).toBeLessThanOrEqual(0);
    await alice.page.evaluate(axe.source);
    const { violations } = (await alice.page.evaluate('axe.run()')) as axe.AxeResults;
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
    await alice.button('Back to the conversations').click();
    await alice.begins('bob');
    expect(await alice.page.locator('#typing').textContent()).toBe('');
    for (const each of [bob, other]) await each.close();
  });
});
