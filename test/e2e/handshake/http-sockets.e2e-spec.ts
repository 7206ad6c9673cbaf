import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Controller, Get, Module } from '@nestjs/common';
import { MAX_WAITING_REQUESTS } from '../../../src/handshake/request-turns.js';
import { ChatModule } from '../../../src/index.js';
import { ImpatientExpressAdapter } from '../../../src/server.js';
import { IN_MEMORY } from '../../../src/testing/index.js';
import { ChatApp } from '../../support/chat-app.js';
import { eventually, withDeadline } from '../../support/deadline.js';
import { HostApp } from '../../support/host-app.js';
import { RawClient } from '../../support/raw-client.js';
import { alone } from '../../support/test-nodes.js';

const request = (path: string, method = 'GET', rest = '\r\n') => `${method} ${path} HTTP/1.1\r\nHost: x\r\n${rest}`;
/** What a browser sends with a request takes about as much. */
const BROWSER = `X: ${'x'.repeat(1_000)}\r\n\r\n`;

describe('the requests of one socket', () => {
  let server: Server;
  let handled: string[];
  let inWork: number;
  let mostInWork: number;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  beforeEach(async () => {
    [handled, inWork, mostInWork] = [[], 0, 0];
    answer = ({ url }, response) => void setImmediate(() => response.end(`<${url}>`));
    const adapter = new ImpatientExpressAdapter(10_000);
    adapter.initHttpServer();
    adapter.use(((incoming, response) => {
      handled.push(`${incoming.method} ${incoming.url}`);
      mostInWork = Math.max(mostInWork, (inWork += 1));
      response.once('close', () => (inWork -= 1));
      answer(incoming, response);
    }) satisfies RequestListener);
    server = adapter.getHttpServer() as Server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const port = () => (server.address() as AddressInfo).port;

  /** Waits until everything earlier has happened: others were served ten times. */
  async function serveOthers(): Promise<void> {
    for (let n = 0; n < 10; n += 1) expect((await fetch(`http://127.0.0.1:${port()}/other`)).status).toBe(200);
  }

  it('are handled one after the other and answered in their order, and others meanwhile', async () => {
    let release = () => undefined as void;
    const released = new Promise<void>((resolve) => (release = resolve));
    answer = ({ url }, response) => {
      if (url === '/0') void released.then(() => response.end('<0>'));
      else response.end(`<${url}>`);
    };
    const peer = await RawClient.connect(port());
    await peer.write(Buffer.from(Array.from({ length: 200 }, (_, n) => request(`/${n}`)).join('')));
    await eventually(() => handled.length > 0);
    await serveOthers();
    expect(handled.filter((each) => each !== 'GET /other')).toEqual(['GET /0']);
    release();
    for (let n = 1; n < 200; n += 1) await peer.until(`</${n}>`);
    expect(handled.filter((each) => each !== 'GET /other')).toEqual(Array.from({ length: 200 }, (_, n) => `GET /${n}`));
    expect(mostInWork).toBe(2); // One of the peer, and one of the others.
    peer.reset();
  });

  it('are not read while one waits, however many come, and are all answered', async () => {
    const [count, sockets] = [2_000, [] as Socket[]];
    server.on('connection', (socket) => sockets.push(socket));
    let release = () => undefined as void;
    const released = new Promise<void>((resolve) => (release = resolve));
    const atOnce = answer;
    answer = (incoming, response) =>
      void (incoming.url === '/0' ? released : Promise.resolve()).then(() => atOnce(incoming, response));
    const peer = await RawClient.connect(port());
    const written = peer.write(
      Buffer.from(Array.from({ length: count }, (_, n) => request(`/${n}`, 'GET', BROWSER)).join('')),
    );
    await eventually(() => handled.length > 0);
    await serveOthers();
    expect(sockets[0]!.bytesRead).toBeLessThan(4 * 65_536); // Of two megabytes.
    release();
    for (let n = 1; n < count; n += 1) await peer.until(`</${n}>`);
    await written;
    expect(handled.filter((each) => each !== 'GET /other')).toHaveLength(count);
    expect(mostInWork).toBe(2);
    peer.reset();
  });

  it('may have bodies, come in pieces, and follow on those that were answered', async () => {
    answer = (incoming, response) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => response.end(`<${incoming.url} ${Buffer.concat(chunks).length}>`));
    };
    const body = 'b'.repeat(300_000);
    const posting = (path: string) => request(path, 'POST', `Content-Length: ${body.length}\r\n\r\n${body}`);
    const peer = await RawClient.connect(port());
    await peer.write(
      Buffer.from(request('/a') + posting('/b') + request('/c', 'HEAD') + posting('/d') + request('/e')),
    );
    for (const answered of ['</a 0>', '</b 300000>', '</d 300000>', '</e 0>']) await peer.until(answered);
    const last = Buffer.from(request('/f') + request('/g'));
    for (const piece of [last.subarray(0, 30), last.subarray(30, 70), last.subarray(70)]) await peer.write(piece);
    for (const answered of ['</f 0>', '</g 0>']) await peer.until(answered);
    expect(mostInWork).toBe(1);
    peer.reset();
  });

  it('end with their socket: what waited is not handled', async () => {
    let first: ServerResponse | null = null;
    answer = (incoming, response) => (incoming.url === '/first' ? (first = response) : response.end());
    const peer = await RawClient.connect(port());
    await peer.write(Buffer.from(request('/first') + request('/second') + request('/third')));
    await eventually(() => first !== null);
    peer.reset();
    await peer.closed;
    first!.end('<first>'); // A socket that is not read reports its end when it is written to.
    await eventually(() => inWork === 0);
    await serveOthers();
    expect(handled.filter((each) => each !== 'GET /other')).toEqual(['GET /first']);
  });
});

alone('limits').describe('the sockets of the standalone server', () => {
  let chat: ChatApp;
  let peers: RawClient[];
  beforeEach(() => (peers = []));
  afterEach(async () => {
    for (const peer of peers) peer.reset();
    await chat.dispose();
  });

  async function hold(count: number, from: string): Promise<RawClient[]> {
    const held = await Promise.all(Array.from({ length: count }, () => RawClient.connect(chat.port, from)));
    peers.push(...held);
    return held;
  }
  const closed = async () => {
    const samples = (await (await chat.scrape()).text()).matchAll(
      /^holdfast_http_sockets_closed_total\{reason="(\w+)"\} (\d+)$/gm,
    );
    return Object.fromEntries([...samples].map(([, reason, count]) => [reason, Number(count)]));
  };

  it('are a hundred of one address besides its connections, and whoever holds them locks nobody out', async () => {
    chat = await ChatApp.start({ connectionsPerAddress: 50, sessions: 'multiple', connectionsPerUser: null });
    const clients = [];
    for (let n = 0; n < 50; n += 1) clients.push(await chat.connect('bob', { localAddress: '127.0.0.3' }));
    const held = await hold(100, '127.0.0.3');
    const more = await hold(20, '127.0.0.3');
    await withDeadline(Promise.all(more.map((peer) => peer.closed)), () => 'the end of twenty sockets');
    await chat.connect('alice', { localAddress: '127.0.0.2' });
    expect(await closed()).toEqual({ address: 20, room: 0, pipelined: 0 });
    expect([chat.connections.count, clients.length, held.filter(({ socket }) => socket.closed).length]).toEqual([
      51, 50, 0,
    ]);
    const count = async () => Number(/^holdfast_http_sockets (\d+)$/m.exec(await (await chat.scrape()).text())![1]);
    const before = await count();
    held[0]!.reset();
    await eventually(async () => (await count()) < before);
    const [again] = await hold(1, '127.0.0.3');
    await again!.write(Buffer.from(request('/health/live')));
    await again!.until('200 OK');
  });

  it('are not limited for a proxy that is trusted, through which all customers come', async () => {
    chat = await ChatApp.start({ connectionsPerAddress: 1, trustedProxies: ['127.0.0.4'] });
    await hold(150, '127.0.0.4');
    for (const address of ['192.0.2.1', '192.0.2.2'])
      await chat.connect(address, { localAddress: '127.0.0.4', headers: { 'X-Forwarded-For': address } });
    const again = chat.connect('c', { localAddress: '127.0.0.4', headers: { 'X-Forwarded-For': '192.0.2.2' } });
    await expect(again).rejects.toMatchObject({ status: 429 });
    expect(await closed()).toEqual({ address: 0, room: 0, pipelined: 0 });
  });

  it('give way to newcomers when there is no room: the oldest of the address that has the most', async () => {
    chat = await ChatApp.start({ connectionsPerAddress: 50, maxConnections: 20 });
    const many = await hold(70, '127.0.0.5');
    await chat.connect('alice', { localAddress: '127.0.0.2' });
    await withDeadline(many[0]!.closed, () => 'the end of the oldest');
    expect(await closed()).toMatchObject({ address: 0, room: expect.any(Number) });
    await chat.connect('bob', { localAddress: '127.0.0.3' });
    expect(chat.connections.count).toBe(2);
  });

  it('are closed when more requests wait on one than may, and the others are served', async () => {
    chat = await ChatApp.start();
    for (const path of ['/metrics', '/health/ready', '/', '/chat/pending', '/nothing']) {
      const [peer] = await hold(1, '127.0.0.1');
      await peer!.write(Buffer.from(request(path).repeat(MAX_WAITING_REQUESTS * 6)));
      await withDeadline(peer!.closed, () => `the end of the socket that asks for ${path}`);
    }
    expect(await closed()).toEqual({ address: 0, room: 0, pipelined: 5 });
  });
});

@Controller()
class Hello {
  @Get('hello')
  hello(): string {
    return 'hello';
  }
}

@Module({ imports: [ChatModule.forRoot({ ...IN_MEMORY, connectionsPerAddress: 1 })], controllers: [Hello] })
class Host {}

describe('the sockets of an application that hosts the chat', () => {
  it('are its own matter: only those of the chat are limited', async () => {
    const host = await HostApp.start({ imports: [Host] });
    const peers = await Promise.all(Array.from({ length: 150 }, () => RawClient.connect(host.port)));
    const last = peers.at(-1)!;
    await last.write(Buffer.from(request('/hello').repeat(2_000)));
    for (let n = 0; n < 2_000; n += 1) await last.until('200 OK');
    await host.connect('alice');
    await expect(host.connect('bob')).rejects.toMatchObject({ status: 429 });
    expect(peers.filter(({ socket }) => socket.closed)).toEqual([]);
    for (const peer of peers) peer.reset();
    await host.close();
  });
});
