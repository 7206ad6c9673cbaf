import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { FakeSocket } from '../../support/fake-socket.js';
import { alone } from '../../support/test-nodes.js';

const ACK_WINDOW = 64;
/**
 * Messages that wait for each user who comes back: none, a few, the most of a short backlog, more, more than a page.
 */
const BACKLOGS = [0, 1, 4, 16, 17, ACK_WINDOW + 1];

alone('process').describe('a crowd that comes back at once', () => {
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
        if (n <= backlog) chat.delivery.send({ from: 'alice', to: name, content: String(n) }, heard);
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
    // One query for all counts, one for every 16 short backlogs, and pages only for the 40 who have more.
    // Not those by which the store looks now and then whether it is still its own.
    const reads = statements.filter((sql) => sql.startsWith('SELECT') && sql.includes('holdfast_offline_message'));
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
