import { ChatApp } from '../support/chat-app.js';
import { eventually } from '../support/deadline.js';
import { FakeSocket } from '../support/fake-socket.js';

const ACK_WINDOW = 64;
/** How much waits for each of those who come back: nothing, a little, the most of a short backlog, more, more than a page. */
const BACKLOGS = [0, 1, 4, 16, 17, ACK_WINDOW + 1];

describe('a crowd that comes back at once', () => {
  let chat: ChatApp;
  afterEach(() => chat.dispose());

  it('has each what waited for it, in order, with few questions to the store', async () => {
    chat = await ChatApp.start({ ackWindow: ACK_WINDOW, maxPendingPerSender: null });
    const users = Array.from({ length: 120 }, (_, n) => ({
      name: `user${n}`,
      backlog: BACKLOGS[n % BACKLOGS.length]!,
    }));
    const heard = { onReceipt: () => undefined, onRefused: () => undefined };
    for (let n = 1; n <= Math.max(...BACKLOGS); n += 1) {
      for (const { name, backlog } of users) {
        if (n <= backlog) chat.delivery.send('alice', { to: name, content: String(n) }, heard);
      }
    }
    const waiting = users.reduce((sum, { backlog }) => sum + backlog, 0);
    await chat.untilTotals({ pending: waiting });

    const statements = chat.watchStatements();
    const crowd = users.map(({ name, backlog }) => ({ backlog, ...FakeSocket.open(chat.connections, name) }));
    for (const { connection } of crowd) chat.delivery.attach(connection);
    for (const { backlog, socket, connection } of crowd) {
      await eventually(() => socket.frames.length > 0 && socket.messages().length === Math.min(backlog, ACK_WINDOW));
      expect(socket.frames[0]).toMatchObject({ event: 'welcome', data: { pending: backlog } });
      chat.delivery.confirm(connection, socket.messages().length);
      await eventually(() => socket.frames.some(({ event }) => event === 'caught-up'));
      expect(socket.messages().map(({ content }) => Number(content))).toEqual(
        Array.from({ length: backlog }, (_, n) => n + 1),
      );
      chat.delivery.confirm(connection, backlog);
    }
    // One for all counts, one for 16 short backlogs each, and pages only for the 40 who have more.
    const reads = statements.filter((sql) => sql.startsWith('SELECT'));
    expect(reads.filter((sql) => sql.includes('COUNT'))).toHaveLength(1);
    expect(reads.filter((sql) => sql.includes('LIMIT')).length).toBeLessThanOrEqual(3 * 20);
    expect(reads.length).toBeLessThanOrEqual(1 + Math.ceil(60 / 16) + 3 * 20);
    await chat.untilTotals({ confirmed: waiting, pending: 0, inFlight: 0 });
    for (const { connection } of crowd) {
      chat.delivery.detach(connection);
      chat.connections.remove(connection);
    }
  });
});

describe('a long backlog', () => {
  const COUNT = 900;
  let chat: ChatApp;
  afterEach(() => chat.dispose());

  it('is read in pages that grow, whatever the window', async () => {
    chat = await ChatApp.start({ ackWindow: ACK_WINDOW, maxPendingPerSender: null });
    const heard = { onReceipt: () => undefined, onRefused: () => undefined };
    for (let n = 0; n < COUNT; n += 1) chat.delivery.send('alice', { to: 'bob', content: String(n) }, heard);
    await chat.untilTotals({ pending: COUNT });
    const statements = chat.watchStatements();
    const { socket, connection } = FakeSocket.open(chat.connections, 'bob');
    chat.delivery.attach(connection);
    for (let confirmed = 0; confirmed < COUNT;) {
      await eventually(() => socket.messages().length > confirmed);
      expect(socket.messages().length).toBeLessThanOrEqual(confirmed + ACK_WINDOW);
      chat.delivery.confirm(connection, (confirmed = socket.messages().length));
    }
    expect(socket.messages().map(({ content }) => Number(content))).toEqual(Array.from({ length: COUNT }, (_, n) => n));
    // 64, 128, 256 and 512 of them.
    expect(statements.filter((sql) => sql.includes('LIMIT'))).toHaveLength(4);
    await chat.untilTotals({ confirmed: COUNT, pending: 0 });
    chat.delivery.detach(connection);
    chat.connections.remove(connection);
  });
});

describe('a backlog of large messages', () => {
  const SIZE = 500_000;
  let chat: ChatApp;
  afterEach(() => chat.dispose());

  it.each([12, 40])('is read a few at a time, and delivered and listed whole and in order: %i', async (count) => {
    chat = await ChatApp.start({ maxContentBytes: SIZE, maxFrameBytes: 2 * SIZE, maxPendingBytesPerUser: null });
    const heard = { onReceipt: () => undefined, onRefused: () => undefined };
    const ids = Array.from({ length: count }, (_, n) => `m${n}`);
    for (const id of ids) chat.delivery.send('alice', { to: 'bob', content: id.padEnd(SIZE, '.'), id }, heard);
    await chat.untilTotals({ pending: count });

    // 34 of them bring a page of the list to 16 MiB.
    const first = (await chat.rest('GET', '/chat/pending/bob?limit=1000')).body;
    expect(first).toMatchObject({ total: count, items: { length: Math.min(count, 34) } });
    expect(first.nextCursor === null).toBe(count < 34);
    const query = `limit=1000&cursor=${first.nextCursor}`;
    const rest = first.nextCursor ? (await chat.rest('GET', `/chat/pending/bob?${query}`)).body : { items: [] };
    expect(rest.nextCursor ?? null).toBeNull();
    const listed = [...first.items, ...rest.items] as { id: string; content: string }[];
    expect(listed.map(({ id, content }) => content.startsWith(id) && content.length)).toEqual(ids.map(() => SIZE));
    expect(listed.map(({ id }) => id)).toEqual(ids);

    const statements = chat.watchStatements();
    const { socket, connection } = FakeSocket.open(chat.connections, 'bob');
    chat.delivery.attach(connection);
    for (let confirmed = 0; confirmed < count;) {
      await eventually(() => socket.messages().length > confirmed);
      chat.delivery.confirm(connection, (confirmed = socket.messages().length));
    }
    expect(socket.messages().map(({ id }) => id)).toEqual(ids);
    // Three of them bring a page of the backlog to 1 MiB.
    expect(statements.filter((sql) => sql.includes('LIMIT'))).toHaveLength(Math.ceil(count / 3));
    await chat.untilTotals({ confirmed: count, pending: 0 });
    chat.delivery.detach(connection);
    chat.connections.remove(connection);
  });
});
