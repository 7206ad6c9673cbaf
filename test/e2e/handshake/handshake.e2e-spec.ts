import type { Server } from 'node:http';
import { WebSocketServer } from 'ws';
import { ChatApp } from '../../support/chat-app.js';
import { eventually, withDeadline } from '../../support/deadline.js';
import { RawClient } from '../../support/raw-client.js';
import { Refused, TestClient } from '../../support/test-client.js';
import { alone } from '../../support/test-nodes.js';

/** Later versions of Node stop reading by themselves, before the test can see what they dropped. */
const TOO_MANY_HEADERS =
  Number.parseInt(process.versions.node, 10) < 22
    ? ([400, 'BAD_HANDSHAKE'] as const)
    : ([431, 'HEADERS_TOO_LONG'] as const);

describe('the handshake', () => {
  let chat: ChatApp;
  beforeEach(async () => {
    chat = await ChatApp.start();
  });
  afterEach(() => chat.dispose());

  const open = async (target: string, protocols: string[] = []) =>
    chat.keep(await TestClient.open(`ws://127.0.0.1:${chat.port}${target}`, protocols));

  /** The HTTP answer to an upgrade that is refused. */
  async function refusal(target: string, protocols: string[] = []): Promise<Refused> {
    const outcome = await open(target, protocols).catch((error: unknown) => error);
    if (outcome instanceof Refused) return outcome;
    throw new Error(`${target} was not refused: ${String(outcome)}`);
  }

  /** Returns everything that the server answers to these bytes until it closes. */
  async function answerTo(bytes: Buffer): Promise<string> {
    const peer = await RawClient.connect(chat.port);
    let answer = '';
    peer.socket.on('data', (chunk) => (answer += chunk.toString()));
    await peer.write(bytes);
    await withDeadline(peer.closed, () => `the server closes; it answered ${JSON.stringify(answer)}`);
    return answer;
  }

  describe('is refused in HTTP, with a JSON body and the end of the connection', () => {
    it.each([
      ['no user', '/chat', 400, 'NO_USER'],
      ['no user, but a query', '/chat?name=alice', 400, 'NO_USER'],
      ['an empty user', '/chat?user=', 400, 'BAD_USER'],
      ['a blank user', '/chat?user=%20%09', 400, 'BAD_USER'],
      ['a user of 129 bytes', `/chat?user=${'x'.repeat(129)}`, 400, 'BAD_USER'],
      ['a user of 65 characters and 130 bytes', `/chat?user=${'%C3%A9'.repeat(65)}`, 400, 'BAD_USER'],
      ['a user with the delimiter', '/chat?user=a|b', 400, 'BAD_USER'],
      ['a user with a control character', '/chat?user=a%00', 400, 'BAD_USER'],
      ['a user with a line feed', '/chat?user=a%0Ab', 400, 'BAD_USER'],
      ['a user with a zero-width space', '/chat?user=b%E2%80%8Bob', 400, 'BAD_USER'],
      ['a user written from right to left', '/chat?user=b%E2%80%AEob', 400, 'BAD_USER'],
      ['a user with an invisible filler', '/chat?user=bob%E3%85%A4', 400, 'BAD_USER'],
      ['a user that is a folder to browsers', '/chat?user=..', 400, 'BAD_USER'],
      ['a user with two blanks', '/chat?user=a++b', 400, 'BAD_USER'],
      ['a user with a blank that does not break', '/chat?user=a%C2%A0b', 400, 'BAD_USER'],
      ['a user that is not UTF-8', '/chat?user=%ff', 400, 'BAD_USER'],
      ['a user with half a character', '/chat?user=%ED%A0%80', 400, 'BAD_USER'],
      ['two users', '/chat?user=alice&user=bob', 400, 'BAD_USER'],
      ['the same user twice', '/chat?user=alice&user=alice', 400, 'BAD_USER'],
      ['another path', '/other?user=alice', 404, 'NO_SUCH_PATH'],
      ['a path below', '/chat/more?user=alice', 404, 'NO_SUCH_PATH'],
      ['the path in other letters', '/CHAT?user=alice', 404, 'NO_SUCH_PATH'],
      ['a path behind two slashes', '//x/chat?user=alice', 404, 'NO_SUCH_PATH'],
      ['a path before two slashes', '/chat//?user=alice', 404, 'NO_SUCH_PATH'],
      ['the root', '/?user=alice', 404, 'NO_SUCH_PATH'],
    ])('%s', async (_, target, status, code) => {
      const { body, headers, ...refused } = await refusal(target);
      expect(refused.status).toBe(status);
      expect(body).toEqual({ statusCode: status, code, message: expect.stringMatching(/\w \w/) });
      expect(headers).toMatchObject({ connection: 'close', 'content-type': 'application/json; charset=utf-8' });
      expect(chat.connections.count).toBe(0);
    });

    it.each([['superchat'], ['chat.v2.json'], ['__proto__'], ['Chat']])(
      'only unknown subprotocols: %s',
      async (...offered) => {
        const { status, body, headers } = await refusal('/chat?user=alice', offered);
        expect([status, body.code]).toEqual([400, 'UNKNOWN_SUBPROTOCOL']);
        expect(body.message).toMatch(/chat\.v1\.json, chat\.v1\.text, chat\b/);
        expect(headers['connection']).toBe('close');
      },
    );

    it.each([
      ['a POST', 'GET ', 'POST ', 405, 'NOT_GET'],
      ['a CONNECT', /GET \S+/, 'CONNECT other:443', 405, 'NOT_GET'],
      [
        'an upgrade to something else as well',
        'Upgrade: websocket',
        'Upgrade: h2c, websocket',
        426,
        'UPGRADE_REQUIRED',
      ],
      ['an old version', 'Version: 13', 'Version: 12', 426, 'BAD_VERSION'],
      ['no key', /Sec-WebSocket-Key: .*\r\n/, '', 400, 'BAD_HANDSHAKE'],
      ['a short key', /Key: .*\r\n/, 'Key: abc\r\n', 400, 'BAD_HANDSHAKE'],
      ['HTTP/1.0', 'HTTP/1.1', 'HTTP/1.0', 400, 'BAD_HANDSHAKE'],
      ['no host', /Host: .*\r\n/, '', 400, 'BAD_HANDSHAKE'],
      ['two hosts', 'Host: ', 'Host: other\r\nHost: ', 400, 'BAD_HANDSHAKE'],
      ['a body', 'Host: ', 'Content-Length: 5\r\nHost: ', 400, 'BAD_HANDSHAKE'],
      ['a body in chunks', 'Host: ', 'Transfer-Encoding: chunked\r\nHost: ', 400, 'BAD_HANDSHAKE'],
      ['more headers than are read', '\r\n\r\n', `${'\r\na:'.repeat(1_000)}\r\n\r\n`, ...TOO_MANY_HEADERS],
    ])('%s', async (_, right, wrong, status, code) => {
      const handshake = RawClient.handshake('/chat?user=alice').toString().replace(right, wrong);
      const [head, body] = (await answerTo(Buffer.from(handshake))).split('\r\n\r\n') as [string, string];
      expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} .*Connection: close`, 's'));
      expect(JSON.parse(body)).toEqual({ statusCode: status, code, message: expect.stringMatching(/\w \w/) });
    });

    it('in bytes that are a whole answer, and never with data of the client', async () => {
      const answer = await answerTo(RawClient.handshake('/chat?user=secret%00'));
      const [head, body] = answer.split('\r\n\r\n') as [string, string];
      expect(head).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
      expect(head).toMatch(new RegExp(`^Content-Length: ${Buffer.byteLength(body)}$`, 'm'));
      expect(answer).not.toContain('secret');
    });
  });

  describe('chooses the subprotocol', () => {
    it.each([
      [['chat', 'superchat'], 'chat'],
      [['superchat', 'chat'], 'chat'],
      [['chat.v1.text'], 'chat.v1.text'],
      [['chat.v1.json'], 'chat.v1.json'],
      [['chat.v1.json', 'chat'], 'chat.v1.json'],
      [['chat', 'chat.v1.json'], 'chat'],
      [['chat.v9', 'chat.v1.text', 'chat.v1.json'], 'chat.v1.text'],
      [[], ''],
    ])('of %j: %j', async (offered, chosen) => {
      const client = await open('/chat?user=alice', offered);
      expect(client.socket.protocol).toBe(chosen);
      if (chosen === 'chat.v1.json') expect((await client.nextJson('welcome')).data).toMatchObject({ user: 'alice' });
      else await client.expectNothingElse('alice');
    });

    it('from a header without spaces as from one with them', async () => {
      const peer = await RawClient.open(chat.port, '/chat?user=alice', { 'Sec-WebSocket-Protocol': 'x,chat.v1.json' });
      expect(await peer.until('"welcome"')).toContain('event');
      peer.reset();
      await chat.untilOffline('alice');
    });
  });

  it('answers the key of the RFC with the value of the RFC', async () => {
    const peer = await RawClient.connect(chat.port);
    await peer.write(
      RawClient.handshake('/chat?user=alice', {
        'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Protocol': 'chat, superchat',
      }),
    );
    const head = await peer.until('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
    expect(head).toMatch(/^Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r$/im);
    expect(head).toMatch(/^Sec-WebSocket-Protocol: chat\r$/im);
    peer.reset();
    await chat.untilOffline('alice');
  });

  it('takes the first frames of a client that sends them with it', async () => {
    const bob = await chat.connect('bob');
    const peer = await RawClient.connect(chat.port);
    const frames = ['bob|one', '|two'].map((text) => RawClient.frame(Buffer.from(text)));
    await peer.write(Buffer.concat([RawClient.handshake('/chat?user=alice'), ...frames]));
    expect(await bob.take(2)).toEqual(['one', 'two']);
    peer.reset();
    await chat.untilOffline('alice');
  });

  describe('reads the user', () => {
    it('as one and the same however the name is written', async () => {
      const first = await open(`/chat?user=${encodeURIComponent('cafe\u0301')}`);
      const second = await open(`/chat?user=%20${encodeURIComponent('caf\u00e9')}+`);
      await first.expectClose(4409);
      const alice = await chat.connect('alice');
      for (const name of ['caf\u00e9', ' cafe\u0301 ']) {
        alice.send(`${name}|to ${name}`);
        expect(await second.next()).toBe(`to ${name}`);
      }
      await eventually(() => chat.connections.count === 2);
      expect((await chat.rest('GET', '/chat/connections')).body.items).toMatchObject([
        { user: 'caf\u00e9' },
        { user: 'alice' },
      ]);
    });

    it('with upper and lower case apart', async () => {
      const [lower, upper] = [await chat.connect('bob'), await chat.connect('Bob')];
      const alice = await chat.connect('alice');
      alice.send('bob|lower');
      alice.send('Bob|upper');
      expect([await lower.next(), await upper.next()]).toEqual(['lower', 'upper']);
      await lower.expectNothingElse('bob');
      await upper.expectNothingElse('Bob');
    });

    it.each(['__proto__', 'constructor', 'toString', 'a/b', '...', '100%', 'a&b=c', 'x'.repeat(128), '\u{1f642}'])(
      'named %j like any other',
      async (name) => {
        const client = await chat.connect(name);
        const alice = await chat.connect('alice');
        alice.send(`${name}|hello`);
        expect(await client.next()).toBe('hello');
        await client.drop();
        await chat.untilOffline(name);
        expect(chat.connections.count).toBe(1);
      },
    );

    it('wherever it stands in the query', async () => {
      const client = await open('/chat?v=1&user=alice&x=?user=bob');
      await client.expectNothingElse('alice');
    });
  });

  it.each([
    '/chat/?user=alice',
    'http://localhost/chat?user=alice',
    'HTTP://127.0.0.1:80/chat/?user=alice',
    'ws://localhost/chat?user=alice',
    'https://localhost:443/chat?user=alice&x=http://evil.example/',
  ])('takes the target %s', async (target) => {
    const peer = await RawClient.connect(chat.port);
    await peer.write(RawClient.handshake(target));
    expect(await peer.until('\r\n')).toBe('HTTP/1.1 101 Switching Protocols\r\n');
    await chat.untilOnline('alice');
    peer.reset();
    await chat.untilOffline('alice');
  });

  it.each([
    'http:///other?user=alice',
    'http://localhost/other?user=alice',
    'http://localhost?/chat',
    'ftp://localhost/chat',
    'http:/chat',
    'localhost/chat',
  ])('finds nothing at the target %s', async (target) => {
    expect(await answerTo(RawClient.handshake(target))).toMatch(/^HTTP\/1\.1 40[04] /);
    expect(chat.connections.count).toBe(0);
  });

  describe('shares its HTTP server', () => {
    it('with another listener, which keeps its own paths', async () => {
      const httpServer: Server = chat.app.getHttpServer();
      const other = new WebSocketServer({ noServer: true });
      const onUpgrade: Parameters<typeof httpServer.on>[1] = (request, socket, head) => {
        if (request.url !== '/other') return;
        other.handleUpgrade(request, socket, head, (client) => client.send('from the other'));
      };
      httpServer.on('upgrade', onUpgrade);
      try {
        expect(await (await open('/other')).next()).toBe('from the other');
        await (await chat.connect('alice')).expectNothingElse('alice');
        expect((await refusal('/chat')).body.code).toBe('NO_USER');
      } finally {
        httpServer.off('upgrade', onUpgrade);
      }
      expect((await refusal('/other')).body.code).toBe('NO_SUCH_PATH');
    });

    it('with the REST calls on its own path', async () => {
      await chat.connect('alice');
      expect((await chat.rest('GET', '/chat?user=alice')).status).toBe(426);
      expect((await chat.rest('GET', '/chat/users/alice')).body.online).toBe(true);
    });
  });

  describe('of a peer that misbehaves', () => {
    const TARGETS = ['//', '/%', '/%ff', '///x', 'x://', '/chat', '/chat?user=%ff', '/chat?user=alice', '/other'];

    it('is answered, whatever its target is', async () => {
      for (const target of ['//', '/%', '/%ff', '///x', '/chat?user=%ff', '/other']) {
        const answer = await answerTo(RawClient.handshake(target));
        expect([target, answer]).toEqual([target, expect.stringMatching(/^HTTP\/1\.1 4\d\d [A-Z].*\r\n/)]);
        expect(JSON.parse(answer.slice(answer.indexOf('{')))).toMatchObject({ code: expect.any(String) });
      }
    });

    it('harms nobody when it resets in the middle, at whatever target', async () => {
      const alice = await chat.connect('alice-stays');
      for (let round = 0; round < 50; round += 1) {
        const peers = await Promise.all(TARGETS.map(() => RawClient.connect(chat.port)));
        await Promise.all(
          peers.map(async (peer, index) => {
            const request = RawClient.handshake(TARGETS[index]!);
            // In turn after the whole request, within it, and before the first byte.
            const sent = [request.length, request.length - 2, 0][round % 3]!;
            if (sent > 0) await peer.write(request.subarray(0, sent));
            peer.reset();
            await withDeadline(peer.closed, () => 'the reset is done');
          }),
        );
      }
      await alice.expectNothingElse('alice-stays');
      await (await chat.connect('bob')).expectNothingElse('bob');
      await chat.untilOffline('alice');
    });
  });
});

describe('the handshake with a server that is going away', () => {
  alone('process').it('is refused with 503 and when to come again', async () => {
    const chat = await ChatApp.start();
    const peer = await RawClient.open(chat.port, '/chat?user=alice');
    const url = chat.url('bob');
    // The peer does not answer the close frame, so the server still drains when the next one comes.
    const stopped = chat.dispose();
    await peer.until('going away');
    const refused = await TestClient.open(url).catch((error: unknown) => error);
    peer.reset();
    await stopped;
    expect(refused).toBeInstanceOf(Refused);
    expect(refused).toMatchObject({
      status: 503,
      body: { statusCode: 503, code: 'GOING_AWAY', message: expect.stringContaining('again') },
      headers: { connection: 'close', 'retry-after': '5' },
    });
  });
});
