import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WebSocketGateway } from '@nestjs/websockets';
import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { ChatApp } from '../../support/chat-app.js';
import { withDeadline } from '../../support/deadline.js';
import { GatewayHost } from '../../support/gateway-host.js';
import { RawClient } from '../../support/raw-client.js';

let host: GatewayHost | undefined;
afterEach(async () => {
  await host?.dispose();
  host = undefined;
});

/** As HttpClient of Java and `curl --http2` write it. */
const H2C = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n';
const MESSAGE = JSON.stringify({ from: 'alice', to: 'carol', content: 'by REST' });
const post = (headers: string, body: string) =>
  `POST /chat/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers}\r\n${body}`;
const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;
const LENGTH = `Content-Length: ${MESSAGE.length}\r\n`;
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const CHUNKS = `${MESSAGE.length.toString(16)}\r\n${MESSAGE}\r\n0\r\n\r\n`;

/** Writes each of the pieces when the answer to what is before it has come; returns the status of each. */
async function answersTo(port: number, ...pieces: string[]): Promise<string[]> {
  const peer = await RawClient.connect(port);
  const answers: string[] = [];
  for (const piece of pieces) {
    await peer.write(Buffer.from(piece));
    const head = await peer.until('\r\n\r\n');
    const length = Number(/^Content-Length: (\d+)/im.exec(head)?.[1] ?? 0);
    const body = length > 0 ? await peer.until('}') : '';
    const [, said = ''] = /"(?:code|status)":"([^"]+)"/.exec(body) ?? [];
    answers.push(`${head.slice(9, 12)} ${said}`.trim());
  }
  peer.reset();
  return answers;
}

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('an offer of another protocol than WebSocket, at %s', (_, http) => {
  beforeEach(async () => {
    host = await GatewayHost.start({ http: http() });
  });

  it.each([
    ['a call', [get('/chat/users/bob', H2C)], ['200']],
    ['a call to nothing', [get('/nothing', H2C)], ['404']],
    ['the path of the socket', [get('/chat?user=eve', H2C)], ['426 UPGRADE_REQUIRED']],
    ['two protocols', [get('/chat/users/bob', 'Connection: upgrade\r\nUpgrade: h2c, TLS/1.0\r\n')], ['200']],
    ['HTTP/1.0', [get('/chat/users/bob', H2C).replace('/1.1', '/1.0')], ['200']],
    ['an empty one', [get('/chat/users/bob', 'Connection: upgrade\r\nUpgrade: \r\n')], ['200']],
    ['a name that only begins so', [get('/chat/users/bob', 'Connection: upgrade\r\nUpgrade: websocket2\r\n')], ['200']],
    ['a body', [post(H2C + LENGTH, MESSAGE)], ['201 stored']],
    ['a body in chunks', [post(H2C + CHUNKED, CHUNKS)], ['201 stored']],
    ['a body of no length', [get('/chat/stats', `${H2C}Content-Length: 0\r\n`)], ['200']],
    [
      'a body that waits to be asked for',
      [post(`${H2C}${LENGTH}Expect: 100-continue\r\n`, ''), MESSAGE],
      ['100', '201 stored'],
    ],
    [
      'calls that follow',
      [get('/chat/users/bob', H2C), post(H2C + LENGTH, MESSAGE), get('/chat/stats')],
      ['200', '201 stored', '200'],
    ],
  ])('is as if it were absent: %s', async (_title, pieces, statuses) => {
    expect(await answersTo(host!.port, ...pieces)).toEqual(statuses);
    await host!.expectConversation();
  });

  it('does not stand in the way of a body in pieces', async () => {
    const peer = await RawClient.connect(host!.port);
    const bytes = Buffer.from(post(H2C + LENGTH, MESSAGE));
    for (let at = 0; at < bytes.length; at += 16) await peer.write(bytes.subarray(at, at + 16));
    expect(await peer.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 201 /);
    await peer.write(Buffer.from(get('/chat/stats', H2C)));
    expect(await peer.until('"uptimeSeconds"')).toMatch(/HTTP\/1\.1 200 /);
    peer.reset();
  });
});

describe('an offer of another protocol', () => {
  it('beside WebSocket is a handshake, and told that only WebSocket is spoken', async () => {
    host = await GatewayHost.start();
    const handshake = RawClient.handshake('/chat?user=alice', { Upgrade: 'h2c, WebSocket' }).toString();
    expect(await answersTo(host.port, handshake)).toEqual(['426 UPGRADE_REQUIRED']);
  });

  it('goes to no gateway of Socket.IO, which would cut it', async () => {
    @WebSocketGateway({ destroyUpgradeTimeout: 1 } as object)
    class RoomsGateway {}
    host = await GatewayHost.start({
      providers: [RoomsGateway],
      options: (app) => ({ others: new IoAdapter(app) }),
    });
    expect(await answersTo(host.port, post(H2C + LENGTH, MESSAGE), get('/chat/stats', H2C))).toEqual([
      '201 stored',
      '200',
    ]);
  });

  it('goes to a listener of the application, as it would without the chat', async () => {
    host = await GatewayHost.start();
    const server: Server = host.app.getHttpServer();
    const onUpgrade = ({ headers }: { headers: { upgrade?: string } }, socket: Duplex) => {
      if (headers.upgrade === 'tcp') socket.end('HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n');
    };
    server.on('upgrade', onUpgrade);
    const tcp = get('/attach', 'Connection: Upgrade\r\nUpgrade: tcp\r\n');
    expect(await answersTo(host.port, tcp)).toEqual(['101']);
    await host.expectConversation();
    server.off('upgrade', onUpgrade);
    expect(await answersTo(host.port, tcp)).toEqual(['404']);
  });

  it('is again what Node makes of it when the chat has ended', async () => {
    host = await GatewayHost.start();
    const server: Server = host.app.getHttpServer();
    await host.app.close();
    server.removeAllListeners('request').on('upgrade', (_request, socket) => {
      socket.on('error', () => socket.destroy()).end('HTTP/1.1 101 UPGRADED\r\n\r\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    expect(await answersTo(port, get('/', H2C))).toEqual(['101']);
    await new Promise((resolve) => server.close(resolve));
  });

  it('reaches the calls, the page and the probes of the standalone server', async () => {
    const chat = await ChatApp.start();
    for (const path of ['/', '/health/live', '/metrics', '/settings.json', '/chat/stats']) {
      const peer = await RawClient.connect(chat.port);
      await peer.write(Buffer.from(get(path, H2C)));
      expect([path, await withDeadline(peer.until('\r\n'), () => 'an answer')]).toEqual([path, 'HTTP/1.1 200 OK\r\n']);
      peer.reset();
    }
    await chat.dispose();
  });
});
