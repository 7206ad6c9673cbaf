import { once } from 'node:events';
import type { Server } from 'node:http';
import { createServer, type AddressInfo, type Server as TcpServer } from 'node:net';
import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { ManualClock } from '../../support/manual-clock.js';
import { RawClient } from '../../support/raw-client.js';
import { Refused, TestClient } from '../../support/test-client.js';
import { alone } from '../../support/test-nodes.js';

describe('the limits', () => {
  let chat: ChatApp;
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
  });
  let both: TcpServer | null = null;
  afterEach(async () => {
    both?.close();
    both = null;
    await chat.dispose();
  });

  it('hold broadcasts to their own rate', async () => {
    chat = await ChatApp.start({ clock, broadcastsPerSecond: 2 });
    const alice = await chat.connect('alice');
    for (let n = 0; n < 21; n += 1) alice.send('to all');
    const frames = await alice.take(21);
    expect(frames.filter((frame) => frame === 'to all')).toHaveLength(20);
    expect(frames.at(-1)).toMatch(/^error: RATE_LIMITED: .*broadcasts/);
    clock.advance(500);
    alice.send('and again');
    expect(await alice.next()).toBe('and again');
  });

  alone('limits').it(
    'refuse one connection more than an address may have, and admit it when one has left',
    async () => {
      chat = await ChatApp.start({ connectionsPerAddress: 2 });
      await chat.connect('a');
      const second = await chat.connect('b');
      await expect(chat.connect('c')).rejects.toMatchObject({
        status: 429,
        body: { statusCode: 429, code: 'TOO_MANY_CONNECTIONS' },
        headers: { 'retry-after': '5' },
      });
      await second.close();
      await chat.untilOffline('b');
      await chat.connect('c');
    },
  );

  alone('limits').it('count the address that a trusted proxy reports, and believe nobody else', async () => {
    chat = await ChatApp.start({ connectionsPerAddress: 1, trustedProxies: ['loopback'] });
    const through = (address: string) => ({ headers: { 'X-Forwarded-For': address } });
    await chat.connect('a', through('192.0.2.1'));
    await chat.connect('b', through('192.0.2.2'));
    await expect(chat.connect('c', through('203.0.113.9, 192.0.2.2'))).rejects.toBeInstanceOf(Refused);
    const { body } = await chat.rest('GET', '/chat/connections?user=a');
    expect(body.items[0].remoteAddress).toBe('192.0.2.1');
    await chat.dispose();
    chat = await ChatApp.start({ connectionsPerAddress: 1 });
    await chat.connect('a', through('192.0.2.1'));
    await expect(chat.connect('b', through('192.0.2.2'))).rejects.toMatchObject({ status: 429 });
  });

  alone('limits').it.each([
    [
      '203.0.113.7',
      ['203.0.113.7:50000', '::ffff:203.0.113.7', '[::ffff:cb00:7107]:443', '198.51.100.1, 203.0.113.7:1'],
    ],
    ['2001:db8::7', ['[2001:DB8::7]:443', '2001:0db8:0:0::7', '2001:db8::8', '[2001:db8::ffff:0:0:1]']],
    ['fe80::1', ['fe80::1%eth0', '[FE80::1%eth1]:80', 'fe80:0::2']],
  ])('take an address for the customer that it is, however a proxy writes it: %s', async (address, others) => {
    chat = await ChatApp.start({ connectionsPerAddress: 1, trustedProxies: ['loopback'] });
    const through = (forwarded: string) => ({ headers: { 'X-Forwarded-For': forwarded } });
    await chat.connect('a', through(address));
    for (const other of others) await expect(chat.connect('b', through(other))).rejects.toMatchObject({ status: 429 });
    await chat.connect('c', through('203.0.113.8:50000'));
    await chat.connect('d', through('[2001:db8:0:1::7]:443'));
    const { body } = await chat.rest('GET', '/chat/connections');
    expect(body.items.map((item: { remoteAddress: string }) => item.remoteAddress).sort()).toEqual(
      [address, '203.0.113.8', '2001:db8:0:1::7'].sort(),
    );
  });

  alone('limits').it('take a peer for the customer that it is, in either family of one socket', async () => {
    chat = await ChatApp.start({ connectionsPerAddress: 1 });
    const http = chat.app.getHttpServer() as Server;
    both = createServer((socket) => http.emit('connection', socket)).listen(0, '::');
    await once(both, 'listening');
    const { port } = both.address() as AddressInfo;
    const url = (host: string, user: string) => `ws://${host}:${port}/chat?user=${user}`;
    const open = async (host: string, user: string) => chat.keep(await TestClient.open(url(host, user)));
    await open('[::1]', 'a');
    await expect(open('[::1]', 'b')).rejects.toMatchObject({ status: 429 });
    await open('127.0.0.1', 'c'); // As ::ffff:127.0.0.1.
    await expect(chat.connect('d')).rejects.toMatchObject({ status: 429 });
    const { body } = await chat.rest('GET', '/chat/connections');
    const addresses = body.items.map(({ remoteAddress }: { remoteAddress: string }) => remoteAddress);
    expect(addresses.sort()).toEqual(['127.0.0.1', '::1']);
  });

  alone('limits').it(
    'use the address of the proxy when the reported one is not an address, and show that nowhere',
    async () => {
      chat = await ChatApp.start({ connectionsPerAddress: 1, trustedProxies: ['127.0.0.1', '10.0.0.0/8'] });
      const through = (forwarded: string) => ({ headers: { 'X-Forwarded-For': forwarded } });
      const own = await chat.connect('a');
      const none = [
        '<script>',
        'unknown',
        '_hidden',
        '',
        ' ',
        'x'.repeat(300),
        '1',
        '203.0.113.7, ',
        '203.0.113.7 8',
        ',',
      ];
      for (const forwarded of none) {
        await expect(chat.connect('b', through(forwarded))).rejects.toMatchObject({ status: 429 });
      }
      await own.close();
      await chat.untilOffline('a');
      await chat.connect('b', through('203.0.113.7, <script>'));
      await chat.connect('c', through('<script>, 10.0.0.2:3128'));
      await chat.connect('d', through('198.51.100.1, 203.0.113.7:443, 10.0.0.3:3128, ::ffff:10.0.0.2'));
      const { body } = await chat.rest('GET', '/chat/connections');
      expect(
        Object.fromEntries(
          body.items.map(({ user, remoteAddress }: { user: string; remoteAddress: string }) => [user, remoteAddress]),
        ),
      ).toEqual({ b: '127.0.0.1', c: '10.0.0.2', d: '203.0.113.7' });
    },
  );

  it('refuse one connection more than a user may have under multiple', async () => {
    chat = await ChatApp.start({ sessions: 'multiple', connectionsPerUser: 2 });
    await chat.connect('bob');
    await chat.connect('bob');
    await expect(chat.connect('bob')).rejects.toMatchObject({ status: 429, body: { code: 'TOO_MANY_CONNECTIONS' } });
    await chat.connect('alice');
  });

  alone('limits').it('refuse with 503 what is more than the server may have', async () => {
    chat = await ChatApp.start({ maxConnections: 1 });
    await chat.connect('a');
    await expect(chat.connect('b')).rejects.toMatchObject({ status: 503, body: { code: 'SERVER_FULL' } });
  });

  it('take a long frame in pieces as small as a network cuts them, and end one that comes in crumbs with 1008', async () => {
    chat = await ChatApp.start({ maxContentBytes: 1_000_000, maxFrameBytes: 1_100_000 });
    const [bob, peer] = [await chat.connect('bob'), await RawClient.open(chat.port, '/chat?user=slow')];
    // A socket merges what comes, so the test gives the pieces to the server itself.
    const stream = chat.socketOf('slow');
    const frame = RawClient.frame(Buffer.from(`bob|${'x'.repeat(999_000)}`));
    for (let at = 0; at < frame.length; at += 536) stream.emit('data', frame.subarray(at, at + 536));
    expect((await bob.next()).length).toBe(999_000);
    for (let at = 0; at < 2_100; at += 1) stream.emit('data', frame.subarray(at, at + 1));
    const close = (await peer.nextFrame())!;
    expect([close.opcode, close.payload.readUInt16BE(0)]).toEqual([8, 1008]);
    peer.reset();
  });

  it('keep pages of other origins out, and let in what is not a page', async () => {
    chat = await ChatApp.start({ allowedOrigins: ['https://app.example.com'] });
    await chat.connect('a', { origin: 'https://app.example.com' });
    await chat.connect('b');
    for (const origin of [
      'https://evil.example',
      'null',
      'https://app.example.com.evil.example',
      'https://evilapp.example.com',
      'http://app.example.com',
      'https://app.example.com:8443',
      'https://APP.example.com.',
    ]) {
      await expect(chat.connect('c', { origin })).rejects.toMatchObject({
        status: 403,
        body: { code: 'ORIGIN_NOT_ALLOWED' },
      });
    }
  });

  it('stop feeding a connection that does not read, and cost the others nothing', async () => {
    chat = await ChatApp.start({ maxPendingPerUser: null, maxPendingPerSender: null, maxPendingBytesPerUser: null });
    const [alice, bob] = [await chat.connect('alice'), await chat.connect('bob')];
    const slow = await chat.connect('slow');
    slow.socket.pause();
    const content = 'x'.repeat(10_000);
    for (let n = 0; n < 500; n += 1) alice.send(`slow|${content}`);
    for (let n = 0; n < 100; n += 1) alice.send(`to all ${n}`);
    alice.send('bob|in time');
    expect((await bob.take(101)).at(-1)).toBe('in time');
    const [connection] = chat.connections.ofUser('slow');
    expect(connection!.bufferedBytes).toBeLessThan(1024 * 1024);
    slow.socket.resume();
    await chat.untilPending('slow', 0);
    await chat.untilTotals({ confirmed: 501, inFlight: 0 });
  });

  it('stop listening to a client that does not read what it is answered', async () => {
    chat = await ChatApp.start({ maxPendingPerUser: null, maxPendingPerSender: null, maxPendingBytesPerUser: null });
    const alice = chat.keep(await TestClient.open(chat.url('alice'), ['chat.v1.json']));
    alice.socket.pause();
    const frames = 120_000;
    for (let n = 0; n < frames; n += 1) alice.send('?'); // One byte of input brings 150 bytes of output.
    const [connection] = chat.connections.ofUser('alice');
    await eventually(() => connection!.bufferedBytes > 256 * 1024);
    await chat.rest('GET', '/chat/stats'); // The server has other work meanwhile.
    const held = connection!.bufferedBytes;
    expect(held).toBeLessThan(16 * 1024 * 1024);
    await chat.rest('GET', '/chat/stats');
    expect(connection!.bufferedBytes).toBe(held);
    expect(connection!.received).toBeLessThan(frames);
    alice.socket.resume();
    await eventually(
      () => connection!.received === frames,
      () => `all is received; so far ${connection!.received}`,
      60_000,
    );
  });
});
