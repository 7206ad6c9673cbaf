import { WebSocket } from 'ws';
import { OfflineMessageService } from '../../../src/offline-messages/offline-message.service.js';
import type { OfflineMessageTable } from '../../../src/offline-messages/offline-message.table.js';
import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { TestClient } from '../../support/test-client.js';
import { RawClient } from '../../support/raw-client.js';
import { alone } from '../../support/test-nodes.js';

describe('the faults of the first chat handler are not repeated', () => {
  let chat: ChatApp;
  beforeEach(async () => {
    chat = await ChatApp.start();
  });
  afterEach(() => chat.dispose());

  it('a private line with two bars is not broadcast', async () => {
    const [alice, bob, carol] = [await chat.connect('alice'), await chat.connect('bob'), await chat.connect('carol')];
    alice.send('bob|my password is a|b');
    expect(await bob.next()).toBe('my password is a|b');
    await carol.expectNothingElse('carol');
    await alice.expectNothingElse('alice');
  });

  it('a recipient in the pool whose socket is no longer open costs no message', async () => {
    const [alice, bob] = [await chat.connect('alice'), await chat.connect('bob')];
    // The server closes it, and the peer does not answer: it stays in the pool.
    bob.socket.pause();
    chat.connections.ofUser('bob')[0]!.close(1000, 'closing');
    expect(chat.connections.ofUser('bob')).toHaveLength(1);
    alice.send('bob|not lost');
    await chat.untilPending('bob', 1);
    await bob.drop();
    const again = await chat.connect('bob');
    expect(await again.next()).toMatch(/Z:not lost$/);
  });

  it('a delayed close of an old connection does not remove the new one', async () => {
    const [alice, old] = [await chat.connect('alice'), await chat.connect('bob')];
    old.socket.pause(); // It neither reads nor answers the close frame, so its close event is delayed.
    const fresh = await chat.connect('bob');
    await old.drop();
    await eventually(() => chat.connections.ofUser('bob').length === 1);
    alice.send('bob|still there');
    expect(await fresh.next()).toBe('still there');
  });

  alone('parts').it('of connections that race for one user one stays, and it gets everything', async () => {
    const alice = await chat.connect('alice');
    const racing = await Promise.all(Array.from({ length: 6 }, () => chat.connect('bob')));
    const winner = chat.connections.ofUser('bob').at(-1)!;
    expect(chat.connections.ofUser('bob').filter((connection) => connection.isOpen)).toEqual([winner]);
    const closed: Promise<unknown>[] = [];
    const open = racing.filter((client) => client.socket.readyState === WebSocket.OPEN);
    alice.send('bob|for one of you');
    const first = await Promise.race(open.map(async (client) => ({ client, frame: await client.next() })));
    expect(first.frame).toBe('for one of you');
    for (const client of racing) if (client !== first.client) closed.push(client.expectClose(4409));
    await Promise.all(closed);
  });

  it('the store is not emptied before its messages were sent', async () => {
    const alice = await chat.connect('alice');
    for (let n = 0; n < 50; n += 1) alice.send(`bob|${n}`);
    await chat.untilPending('bob', 50);
    // A connection that is cut as soon as it is there confirms nothing.
    const cut = await chat.connect('bob', { autoPong: false });
    await cut.drop();
    await chat.untilOffline('bob');
    expect(await chat.delivery.pendingOf('bob')).toBe(50);
    const bob = await chat.connect('bob');
    expect(await bob.take(50)).toHaveLength(50);
    await chat.untilPending('bob', 0);
  });

  alone('parts').it('a failure to store is told to the sender', async () => {
    const alice = await chat.connect('alice');
    const carol = await chat.connectJson('carol');
    await breakStore(chat);
    alice.send('bob|will this wait?');
    expect(await alice.next()).toMatch(/^error: STORE_UNAVAILABLE: /);
    carol.sendJson('send', { to: 'bob', content: 'and this?', id: 'c1' });
    const { data } = await carol.until('exception');
    expect(data).toMatchObject({ code: 'STORE_UNAVAILABLE', temporary: true, id: 'c1' });
    alice.send('carol|live goes on');
    expect((await carol.until('message')).data.content).toBe('live goes on');
    await repairStore(chat);
  });

  it('a broadcast is not stopped by one dead socket', async () => {
    const [alice, dead, carol] = [await chat.connect('alice'), await chat.connect('bob'), await chat.connect('carol')];
    dead.socket.pause();
    chat.connections.ofUser('bob')[0]!.close(1000, 'closing');
    alice.send('hello all');
    expect(await carol.next()).toBe('hello all');
    expect(await alice.next()).toBe('hello all');
  });

  it('a request without a user is refused before the upgrade, and the next one is served', async () => {
    await expect(chat.connect('')).rejects.toMatchObject({ status: 400, body: { statusCode: 400, code: 'BAD_USER' } });
    const bare = chat.url('x').split('?')[0]!;
    await expect(TestClient.open(bare)).rejects.toMatchObject({ status: 400, body: { code: 'NO_USER' } });
    const alice = await chat.connect('alice');
    await alice.expectNothingElse('alice');
  });

  it('a frame that comes in pieces, or never to its end, is neither cut nor taken in part', async () => {
    const bob = await chat.connect('bob');
    const raw = await RawClient.open(chat.port, '/chat?user=alice');
    const long = `bob|${'0123456789'.repeat(1_000)}`;
    const frame = RawClient.frame(Buffer.from(long));
    for (let at = 0; at < frame.length; at += 999) await raw.write(frame.subarray(at, at + 999));
    expect(await bob.next()).toBe(long.slice(4));
    await raw.write(RawClient.frame(Buffer.from('bob|half a frame')).subarray(0, 9));
    raw.reset();
    await chat.untilOffline('alice');
    await bob.expectNothingElse('bob');
  });

  it('the content of a delayed message is its text', async () => {
    const alice = await chat.connect('alice');
    alice.send('bob|text, not the name of a type');
    await chat.untilPending('bob', 1);
    const bob = await chat.connect('bob');
    expect(await bob.next()).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z:text, not the name of a type$/);
  });
});

/** Makes every write of the store fail until `repairStore`. */
async function breakStore(chat: ChatApp): Promise<void> {
  const table = tableOf(chat);
  table.insert = () => Promise.reject(new Error('SQLITE_FULL: database or disk is full'));
  await chat.app.get(OfflineMessageService).flush();
}

async function repairStore(chat: ChatApp): Promise<void> {
  Reflect.deleteProperty(tableOf(chat), 'insert');
  await chat.app.get(OfflineMessageService).flush();
}

function tableOf(chat: ChatApp): OfflineMessageTable {
  return chat.app.get(OfflineMessageService)['table'];
}
