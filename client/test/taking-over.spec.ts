import { jest } from '@jest/globals';
import { FakeChannel, inOneBrowser, SharedStore } from './fake-tabs.js';

let store = new SharedStore();
jest.unstable_mockModule('../src/choose-store.js', () => ({
  chooseStore: () => ({ store, name: 'holdfast:chat.test/chat:alice' }),
}));
// What imports the client comes behind that.
const { onFakeTime, pass, settle, stage } = await import('./stage.js');

describe('a tab that is replaced and wakes at that moment', () => {
  onFakeTime();
  const browser = inOneBrowser();
  beforeEach(() => void (store = new SharedStore()));

  it('hands the same as its successor for a moment, and no tab gets a message twice without the mark', async () => {
    const first = stage();
    let finish: () => void = () => undefined;
    first.client.on('message', ({ id }) => id === 'm1' && new Promise<void>((resolve) => (finish = resolve)));
    first.listen();
    const socket = await first.online();
    const [channel] = FakeChannel.open;
    const second = stage();
    second.listen();
    second.client.connect();
    await settle();
    for (const id of ['m1', 'm2', 'm3']) socket.message(id);
    await settle();

    channel!.isDeaf = true;
    await pass(16_000);
    channel!.isDeaf = false;
    expect(second.messages.map(({ id, redelivered }) => [id, redelivered])).toEqual([
      ['m1', false],
      ['m1', true],
      ['m2', true],
      ['m3', true],
    ]);
    finish(); // The first one does not know yet that it was replaced.
    await settle();
    browser.locks.tellFirst();
    await settle();
    for (const { messages } of [first, second]) {
      const shown = new Set<string>();
      for (const { id, redelivered } of messages) {
        expect([id, redelivered]).toEqual([id, redelivered || shown.has(id)]);
        shown.add(id);
      }
      expect([...shown]).toEqual(['m1', 'm2', 'm3']);
    }
    expect(second.messages.slice(4)).toMatchObject([
      { id: 'm2', redelivered: true },
      { id: 'm3', redelivered: true },
    ]);
    expect([...first.errors, ...second.errors]).toEqual([]);
    await first.client.close();
    await second.client.close();
  });

  it('learns of it from the browser when its own timer was 3 s late', async () => {
    const first = stage();
    await first.online();
    const [channel] = FakeChannel.open;
    const second = stage();
    second.client.connect();
    await settle();
    channel!.isDeaf = true;
    await pass(16_000);
    expect(second.server.sockets).toHaveLength(1);
    // The browser answers behind the news that the lock was taken away.
    jest.spyOn(browser.locks, 'query').mockImplementation(async () => {
      browser.locks.tellFirst();
      return {};
    });
    const now = performance.now.bind(performance);
    jest.spyOn(performance, 'now').mockImplementation(() => now() + 3_000);
    await pass(4_000);
    expect(first.server.last.isClosed).toBe(true);
    await first.client.close();
    await second.client.close();
  });
});
