import { ChatApp } from '../support/chat-app.js';
import { eventually } from '../support/deadline.js';
import { ManualClock } from '../support/manual-clock.js';

describe('going away', () => {
  it('closes every connection with 1001 and a reason, and keeps everything undelivered', async () => {
    let chat = await ChatApp.start();
    const [alice, bob] = [await chat.connectJson('alice'), await chat.connectJson('bob')];
    const carol = await chat.connect('carol', { autoPong: false });
    alice.sendJson('send', { to: 'bob', content: 'in flight', id: 'm-1' });
    alice.sendJson('send', { to: 'carol', content: 'unconfirmed', id: 'm-2' });
    alice.sendJson('send', { to: 'dave', content: 'for later', id: 'm-3' });
    await bob.until('message');
    expect(await carol.next()).toBe('unconfirmed');
    const stopped = chat.app.close();
    const statuses = new Map<string, string>();
    while (statuses.size < 3) {
      for (const { id, status } of (await alice.until('receipts')).data) statuses.set(id, status);
    }
    expect([...statuses.values()]).toEqual(['stored', 'stored', 'stored']);
    for (const client of [alice, bob, carol]) {
      expect((await client.expectClose(1001)).reason).toMatch(/going away/);
    }
    await stopped;
    chat = await ChatApp.start({}, chat.folder);
    expect(chat.delivery.totals).toMatchObject({ recovered: 3, pending: 3 });
    for (const [user, content] of [
      ['bob', 'in flight'],
      ['carol', 'unconfirmed'],
      ['dave', 'for later'],
    ] as const) {
      const client = await chat.connect(user);
      expect(await client.next()).toMatch(new RegExp(`Z:${content}$`));
    }
    await chat.dispose();
  });

  it('waits for nobody who does not answer the close frame', async () => {
    const clock = new ManualClock();
    const chat = await ChatApp.start({ clock });
    const silent = await chat.connect('silent');
    silent.socket.pause();
    let stopped = false;
    const stop = chat.app.close().then(() => (stopped = true));
    await eventually(() => {
      clock.advance(1_000);
      return stopped;
    });
    await stop;
    await silent.drop();
  });

  it('leaves no handle behind', async () => {
    const before = handles();
    for (let n = 0; n < 10; n += 1) {
      const chat = await ChatApp.start();
      const alice = await chat.connect('alice');
      alice.send('bob|x');
      await chat.untilPending('bob', 1);
      await alice.close();
      await chat.dispose();
    }
    await eventually(
      () => handles().length <= before.length,
      () => `${handles().join()} is no more than ${before.join()}`,
    );
  });
});

function handles(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => /TCP|Timeout|FSReq/.test(kind));
}
