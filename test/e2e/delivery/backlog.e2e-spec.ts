import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { FakeSocket } from '../../support/fake-socket.js';
import { alone } from '../../support/test-nodes.js';

let chat: ChatApp;
afterEach(() => chat.dispose());

const idsOf = (count: number) => Array.from({ length: count }, (_, n) => `m${n}`);

/** Stores a message for bob with each of these ids; resolves when all wait. */
async function store(ids: readonly string[], contentOf: (id: string) => string): Promise<void> {
  const heard = { onReceipt: () => undefined, onRefused: () => undefined };
  for (const id of ids) chat.delivery.send({ from: 'alice', to: 'bob', content: contentOf(id), id }, heard);
  await chat.untilTotals({ pending: ids.length });
}

/**
 * Connects bob, who confirms whatever comes. Returns the ids in their order, how many came at once, and how many pages
 * were read.
 */
async function drain(count: number): Promise<{ ids: string[]; atOnce: number; pages: number }> {
  const statements = chat.watchStatements();
  const { socket, connection } = FakeSocket.open(chat.connections, 'bob');
  chat.delivery.attach(connection);
  let atOnce = 0;
  for (let confirmed = 0; confirmed < count;) {
    await eventually(() => socket.messages().length > confirmed);
    const written = socket.messages().length;
    atOnce = Math.max(atOnce, written - confirmed);
    chat.delivery.confirm(connection, (confirmed = written));
  }
  await chat.untilTotals({ confirmed: count, pending: 0 });
  chat.delivery.detach(connection);
  chat.connections.remove(connection);
  return {
    ids: socket.messages().map(({ id }) => id),
    atOnce,
    pages: statements.filter((sql) => sql.includes('LIMIT')).length,
  };
}

alone('parts').it('a long backlog is read in pages that grow, whatever the window', async () => {
  chat = await ChatApp.start({ ackWindow: 64, maxPendingPerSender: null });
  const ids = idsOf(900);
  await store(ids, (id) => id);
  // 64, 128, 256 and 512 of them.
  expect(await drain(ids.length)).toEqual({ ids, atOnce: 64, pages: 4 });
});

alone('process').describe.each([12, 40])('a backlog of %i large messages', (count) => {
  const SIZE = 500_000;
  const ids = idsOf(count);

  beforeEach(async () => {
    chat = await ChatApp.start({ maxContentBytes: SIZE, maxFrameBytes: 2 * SIZE, maxPendingBytesPerUser: null });
    await store(ids, (id) => id.padEnd(SIZE, '.'));
  });

  it('is listed whole and in order, in pages of 16 MiB', async () => {
    const lengths: number[] = [];
    const listed: { id: string; content: string }[] = [];
    for (let query = ''; ;) {
      const { body } = await chat.rest('GET', `/chat/pending/bob?limit=1000${query}`);
      expect(body.total).toBe(count);
      lengths.push(body.items.length);
      listed.push(...body.items);
      if (body.nextCursor === null) break;
      query = `&cursor=${body.nextCursor}`;
    }
    expect(lengths).toEqual(count > 34 ? [34, count - 34] : [count]); // 34 of them bring a page to 16 MiB.
    expect(listed.map(({ id }) => id)).toEqual(ids);
    expect(listed.map(({ id, content }) => content.startsWith(id) && content.length)).toEqual(ids.map(() => SIZE));
  });

  it('is delivered whole and in order, a few read at a time', async () => {
    // Three of them bring a page to 1 MiB.
    expect(await drain(count)).toMatchObject({ ids, pages: Math.ceil(count / 3) });
  });
});
