import { setImmediate as nextTurn } from 'node:timers/promises';
import { CLOSE_TIMEOUT_MS } from '../../../src/gateway/chat-ws.adapter.js';
import { HandshakeService } from '../../../src/handshake/handshake.service.js';
import { HandshakeRefusal } from '../../../src/protocol/handshake-refusal.js';
import { ChatApp } from '../../support/chat-app.js';
import { eventually, withDeadline } from '../../support/deadline.js';
import { holdTimers } from '../../support/held-timers.js';
import { ManualClock } from '../../support/manual-clock.js';
import { RawClient } from '../../support/raw-client.js';
import { alone } from '../../support/test-nodes.js';

const HEARTBEAT_MS = 25_000;
const CLOSE = 8;

let chat: ChatApp;

/** The samples of one metric, such as `{ 'code="1013"': 1 }`, without those that are zero. */
async function samples(name: string): Promise<Record<string, number>> {
  const text = await (await chat.scrape()).text();
  const found = [...text.matchAll(new RegExp(`^holdfast_${name}(?:\\{(.*)\\})? (\\d+)$`, 'gm'))];
  return Object.fromEntries(found.map(([, label, value]) => [label ?? '', Number(value)]).filter(([, value]) => value));
}

describe('a peer that does not read', () => {
  afterEach(() => chat.dispose());

  alone('hops').it(
    'is closed with 1013 when too much waits for it, is gone in any case, and loses nothing',
    async () => {
      chat = await ChatApp.start({ slowBufferBytes: 64 * 1024, maxBufferedBytes: 128 * 1024 });
      const [late, never] = [await chat.connectJson('late'), await chat.connectJson('never')];
      for (const client of [late, never]) client.socket.pause();
      const isSlow = (user: string) => chat.connections.ofUser(user)[0]!.isSlowConsumer;
      const silent = { onReceipt: () => undefined, onRefused: () => undefined };
      while (!isSlow('late') || !isSlow('never')) {
        chat.delivery.send({ from: 'rest', content: 'x'.repeat(60_000) }, silent);
        await nextTurn();
      }
      expect(await samples('connections_slow')).toEqual({ '': 2 });
      expect((await samples('connections_buffered_bytes'))['']).toBeGreaterThan(128 * 1024);
      const before = (await samples('broadcasts_skipped_total'))[''] ?? 0;
      chat.delivery.send({ from: 'rest', content: 'nobody hears it' }, silent);
      expect(await samples('broadcasts_skipped_total')).toEqual({ '': before + 2 });
      const receipts: Promise<{ status: string }>[] = [];
      for (const to of ['late', 'never']) {
        for (const content of ['1', '2', '3', '4']) {
          const receipt = new Promise<{ status: string }>((onReceipt, onRefused) =>
            chat.delivery.send({ from: 'rest', to, content: content.repeat(60_000) }, { onReceipt, onRefused }),
          );
          receipts.push(receipt);
          await nextTurn();
        }
      }
      expect((await Promise.all(receipts)).map(({ status }) => status)).toEqual(Array(8).fill('stored'));
      expect(await samples('connections_closed_total')).toEqual({ 'code="1013"': 2 });
      late.socket.resume();
      await late.expectClose(1013);
      await eventually(() => chat.connections.count === 0);
      for (const user of ['late', 'never']) {
        const again = await chat.connectJson(user);
        const contents = [];
        for (let n = 0; n < 4; n += 1) contents.push((await again.until('message')).data.content[0]);
        expect(contents).toEqual(['1', '2', '3', '4']);
      }
    },
  );
});

describe('a peer that does not answer', () => {
  afterEach(() => chat.dispose());

  it('hears 4408, and is gone without an answer to that', async () => {
    const clock = new ManualClock();
    chat = await ChatApp.start({ clock, heartbeatMs: HEARTBEAT_MS });
    const peer = await RawClient.open(chat.port, '/chat?user=mute');
    await chat.untilOnline('mute');
    const timers = holdTimers(CLOSE_TIMEOUT_MS); // The time that a client has to answer a close frame.
    for (let beat = 0; beat < 2; beat += 1) {
      clock.advance(HEARTBEAT_MS);
      await nextTurn();
      await nextTurn();
    }
    await eventually(() => chat.connections.count === 0);
    timers.release();
    let frame = await peer.nextFrame();
    while (frame && frame.opcode !== CLOSE) frame = await peer.nextFrame();
    expect(frame!.payload.readUInt16BE(0)).toBe(4408);
    await withDeadline(peer.closed, () => 'the end of the connection');
    expect(await samples('connections_closed_total')).toEqual({ 'code="4408"': 1 });
  });
});

describe('the metrics of the limits', () => {
  afterEach(() => chat.dispose());

  alone('limits').it('count the handshakes that were refused, by their code', async () => {
    chat = await ChatApp.start({
      maxConnections: 1,
      allowedOrigins: [],
      authenticate: (request) => {
        if (request.url!.includes('odd'))
          throw new HandshakeRefusal(403, 'CLIENT_SAYS_42', 'a code of the application');
        return { user: 'bob' };
      },
    });
    const refused = () => samples('handshakes_refused_total');
    expect(await refused()).toEqual({});
    await expect(chat.connect('odd')).rejects.toMatchObject({ status: 403 });
    await expect(chat.connect('bob', { origin: 'https://a.example' })).rejects.toMatchObject({ status: 403 });
    const peer = await RawClient.connect(chat.port);
    await peer.write(RawClient.handshake('/chat?user=bob', { 'Sec-WebSocket-Key': 'x' }));
    await withDeadline(peer.closed, () => 'the end of the connection');
    await eventually(() => chat.app.get(HandshakeService).slots.count === 0);
    const bad = await RawClient.connect(chat.port);
    await bad.write(RawClient.handshake('/chat?user=bob', { 'Sec-WebSocket-Version': '12' }));
    await withDeadline(bad.closed, () => 'the end of the connection');
    await eventually(() => chat.app.get(HandshakeService).slots.count === 0);
    await chat.connect('bob');
    await expect(chat.connect('bob')).rejects.toMatchObject({ status: 503 });
    expect(await refused()).toEqual({
      'code="OTHER"': 1,
      'code="ORIGIN_NOT_ALLOWED"': 1,
      'code="BAD_HANDSHAKE"': 1,
      'code="BAD_VERSION"': 1,
      'code="SERVER_FULL"': 1,
    });
  });

  it('count the connections that were closed, by the code, whoever found the reason', async () => {
    chat = await ChatApp.start({ maxFrameBytes: 70_000, maxFragments: 2 });
    const fragment = (opcode: number) => RawClient.frame(Buffer.from('x'), opcode, false);
    for (const [code, bytes] of [
      [1002, RawClient.frame(Buffer.from('x'), 3)],
      [1007, RawClient.frame(Buffer.from([0xff]))],
      [1007, RawClient.frame(Buffer.from([0xff]), 2)],
      [1008, Buffer.concat([fragment(1), fragment(0), fragment(0)])],
      [1009, RawClient.frame(Buffer.alloc(70_001))],
    ] as const) {
      const peer = await RawClient.open(chat.port, '/chat?user=raw');
      await peer.write(bytes);
      expect((await peer.nextFrame())!.payload.readUInt16BE(0)).toBe(code);
      peer.reset();
      await chat.untilOffline('raw');
    }
    const [older, newer] = [await chat.connect('bob'), await chat.connect('bob')];
    await older.expectClose(4409); // On nodes it comes from the home, a moment later.
    await newer.close();
    expect(await samples('connections_closed_total')).toEqual({
      'code="1002"': 1,
      'code="1007"': 2,
      'code="1008"': 1,
      'code="1009"': 1,
      'code="4409"': 1,
    });
  });

  it('say how many wait in the queue', async () => {
    chat = await ChatApp.start({ clock: new ManualClock(), handshakesPerSecond: 1 });
    await chat.connect('first');
    const waits = chat.connect('second').catch((error: unknown) => error);
    await eventually(async () => (await samples('handshakes_waiting'))[''] === 1);
    await chat.stop();
    await waits;
  });
});
