import { jest } from '@jest/globals';
import type { Connection } from '../../../src/connections/connection.js';
import { OfflineMessageService } from '../../../src/offline-messages/offline-message.service.js';
import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { FakeSocket } from '../../support/fake-socket.js';
import { ManualClock } from '../../support/manual-clock.js';
import { alone } from '../../support/test-nodes.js';

alone('parts').describe('a message to somebody whose mailbox is still being opened', () => {
  let chat: ChatApp;
  afterEach(() => chat.dispose());

  const nobody = { onReceipt: () => undefined, onRefused: () => undefined };
  const alices = (n: number) => ({ from: 'alice', to: 'bob', content: String(n), id: `m-${n}` });

  it('is live behind what waited, and sees no disk', async () => {
    chat = await ChatApp.start();
    for (const n of [1, 2]) chat.delivery.send(alices(n), nobody);
    await chat.untilPending('bob', 2);
    const { connection, socket } = FakeSocket.open(chat.connections, 'bob');
    chat.delivery.attach(connection);
    for (const n of [3, 4]) chat.delivery.send(alices(n), nobody);
    await eventually(() => socket.messages().length === 4);
    expect(socket.frames.map(({ event, data }) => [event, data['content'], data['stored']])).toEqual([
      ['welcome', undefined, undefined],
      ['message', '1', true],
      ['message', '2', true],
      ['caught-up', undefined, undefined],
      ['message', '3', false],
      ['message', '4', false],
    ]);
    chat.delivery.confirm(connection, 4);
    await chat.untilTotals({ confirmed: 4, pending: 0, inFlight: 0 });
    expect(chat.storedEver()).toBe(2);
    leave(connection);
  });

  it('is stored when more waits than a page has, and when the connection goes', async () => {
    chat = await ChatApp.start({ ackWindow: 4, clock: new ManualClock() }); // No persist tick comes that would store it.
    for (const n of [1, 2, 3, 4, 5]) chat.delivery.send(alices(n), nobody);
    await chat.untilPending('bob', 5);
    const first = FakeSocket.open(chat.connections, 'bob');
    chat.delivery.attach(first.connection);
    chat.delivery.send(alices(6), nobody);
    await chat.untilPending('bob', 6);
    leave(first.connection);
    const second = FakeSocket.open(chat.connections, 'bob');
    chat.delivery.attach(second.connection);
    chat.delivery.send(alices(7), nobody);
    leave(second.connection);
    await chat.untilPending('bob', 7);
    expect(second.socket.frames).toEqual([]);
  });

  it('is stored when the store does not say what waits', async () => {
    chat = await ChatApp.start({ clock: new ManualClock() });
    chat.delivery.send(alices(1), nobody);
    await chat.untilPending('bob', 1);
    jest.spyOn(chat.app.get(OfflineMessageService), 'firstPage').mockRejectedValueOnce(new Error('no answer'));
    const { connection, socket } = FakeSocket.open(chat.connections, 'bob');
    chat.delivery.attach(connection);
    chat.delivery.send(alices(2), nobody);
    await chat.untilPending('bob', 2);
    expect(socket.frames).toMatchObject([{ event: 'welcome', data: { pending: null } }]);
    leave(connection);
  });

  it('is kept in memory only as far as a window goes', async () => {
    chat = await ChatApp.start({ ackWindow: 4, maxPendingPerSender: null });
    chat.delivery.send(alices(0), nobody);
    await chat.untilPending('bob', 1);
    const { connection, socket } = FakeSocket.open(chat.connections, 'bob');
    chat.delivery.attach(connection);
    for (let n = 1; n <= 4; n += 1) chat.delivery.send(alices(n), nobody);
    expect(chat.app.get(OfflineMessageService).queueDepth.inserts).toBe(0);
    for (let n = 5; n <= 20; n += 1) chat.delivery.send(alices(n), nobody);
    // A message that does not fit is stored, and older ones are stored before it [protocol 2.4].
    expect(chat.app.get(OfflineMessageService).queueDepth.inserts).toBe(20);
    for (let confirmed = 0; confirmed < 21;) {
      await eventually(() => socket.messages().length > confirmed);
      confirmed = socket.messages().length;
      chat.delivery.confirm(connection, confirmed);
    }
    expect(socket.messages().map(({ content }) => Number(content))).toEqual(Array.from({ length: 21 }, (_, n) => n));
    await chat.untilTotals({ confirmed: 21, pending: 0, inFlight: 0 });
    leave(connection);
  });

  it('is kept in memory only as far as the bytes of a window go', async () => {
    chat = await ChatApp.start();
    chat.delivery.send(alices(0), nobody);
    await chat.untilPending('bob', 1);
    const { connection } = FakeSocket.open(chat.connections, 'bob');
    chat.delivery.attach(connection);
    const content = 'x'.repeat(50_000);
    for (let n = 1; n <= 5; n += 1) chat.delivery.send({ ...alices(n), content }, nobody);
    // Five of them are the most in 256 KiB.
    expect(chat.app.get(OfflineMessageService).queueDepth.inserts).toBe(0);
    for (let n = 6; n <= 8; n += 1) chat.delivery.send({ ...alices(n), content }, nobody);
    expect(chat.app.get(OfflineMessageService).queueDepth.inserts).toBe(8);
    leave(connection);
    await chat.untilPending('bob', 9);
  });

  it('is delayed with persistAfterMs 0, as it waits for the disk behind the backlog, however far that has been read', async () => {
    chat = await ChatApp.start({ persistAfterMs: 0, ackWindow: 4 });
    for (let n = 1; n <= 12; n += 1) chat.delivery.send(alices(n), nobody);
    await chat.untilPending('bob', 12);
    const { connection, socket } = FakeSocket.open(chat.connections, 'bob');
    chat.delivery.attach(connection);
    let sent = 12;
    for (let confirmed = 0; confirmed < sent;) {
      if (sent < 20) chat.delivery.send(alices((sent += 1)), nobody); // While a page is read.
      await eventually(() => socket.messages().length > confirmed);
      if (sent < 20) chat.delivery.send(alices((sent += 1)), nobody); // While none is.
      await chat.delivery.flush();
      confirmed = socket.messages().length;
      chat.delivery.confirm(connection, confirmed);
    }
    expect(socket.messages().map(({ content }) => Number(content))).toEqual(
      Array.from({ length: 20 }, (_, n) => n + 1),
    );
    expect(socket.messages().filter(({ stored }) => !stored)).toEqual([]);
    chat.delivery.send(alices(21), nobody); // It only waits for its own commit.
    await eventually(() => socket.messages().length === 21);
    expect(socket.messages().at(-1)).toMatchObject({ content: '21', stored: false });
    leave(connection);
  });

  it('is not a second one when it repeats what waits', async () => {
    chat = await ChatApp.start();
    chat.delivery.send(alices(1), nobody);
    await chat.untilPending('bob', 1);
    chat = await chat.restart(); // It does not remember the earlier receipts.
    const { connection, socket } = FakeSocket.open(chat.connections, 'bob');
    chat.delivery.attach(connection);
    const receipts: unknown[] = [];
    chat.delivery.send(alices(1), { ...nobody, onReceipt: (receipt) => void receipts.push(receipt) });
    await eventually(() => receipts.length === 1);
    expect(receipts).toMatchObject([{ id: 'm-1', status: 'stored' }]);
    expect(socket.messages()).toHaveLength(1);
    chat.delivery.confirm(connection, 1);
    await chat.untilTotals({ confirmed: 1, pending: 0, inFlight: 0 });
    leave(connection);
  });

  function leave(connection: Connection): void {
    chat.delivery.detach(connection);
    chat.connections.remove(connection);
  }
});
