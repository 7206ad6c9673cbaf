import { FastifyAdapter } from '@nestjs/platform-fastify';
import { ExpressAdapter } from '@nestjs/platform-express';
import { ChatApp, type TestOptions } from '../../support/chat-app.js';
import { GatewayHost } from '../../support/gateway-host.js';
import { RawClient } from '../../support/raw-client.js';

const TOKEN = 'a-token-of-an-administrator-of-32-characters';

/** The status line and the code of the answer to a request for this host. */
async function answer(port: number, method: string, target: string, lines: Record<string, string>): Promise<string> {
  const peer = await RawClient.connect(port);
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
  await peer.write(Buffer.from(`${method} ${target} HTTP/1.1\r\n${head.join('')}Connection: close\r\n\r\n`));
  const status = (await peer.until('\r\n')).slice(9, 12);
  const refusal = status === '403' ? /"code":"(\w+)"/.exec(await peer.until('}'))![1]! : '';
  peer.reset();
  return `${status} ${refusal}`.trim();
}

async function handshake(port: number, lines: Record<string, string>, target = '/chat?user=alice'): Promise<string> {
  const peer = await RawClient.connect(port);
  await peer.write(RawClient.handshake(target, lines));
  const status = (await peer.until('\r\n')).slice(9, 12);
  const refusal = status === '403' ? /"code":"(\w+)"/.exec(await peer.until('}'))![1]! : '';
  peer.reset();
  return `${status} ${refusal}`.trim();
}

const OWN = [
  'localhost',
  'LocalHost:3000',
  'app.localhost:3000',
  'localhost.',
  '127.0.0.1',
  '127.0.0.1:3000',
  '127.1.2.3:80',
  '[::1]',
  '[::1]:3000',
  '[::ffff:127.0.0.1]:3000',
];
const FOREIGN = [
  'evil.example',
  'evil.example:3000',
  'localhost.evil.example',
  'evil-localhost',
  '127.0.0.1.evil.example',
  '127.evil.example',
  'localhost@evil.example',
  'evil.example@localhost',
  'evil.example/localhost',
  'evil.example#localhost',
  'evil.example\\localhost',
  '[::2]',
  '10.0.0.1:3000',
  '0.0.0.0:3000',
  '%65vil.example',
  ':',
];

describe('without authentication', () => {
  let chat: ChatApp;
  const start = async (options: TestOptions = {}) => {
    chat = await ChatApp.start(options);
  };
  afterEach(() => chat.dispose());

  it.each(OWN)('the own machine is answered as %s', async (Host) => {
    await start();
    expect(await answer(chat.port, 'GET', '/chat/stats', { Host })).toBe('200');
    expect(await handshake(chat.port, { Host })).toBe('101');
  });

  it.each(FOREIGN)('nothing is answered to who asks for %s', async (Host) => {
    await start();
    for (const path of [
      '/',
      '/chat/stats',
      '/chat/pending/bob',
      '/docs',
      '/docs-json',
      '/metrics',
      '/settings.json',
      '/chat.js',
    ])
      expect([path, await answer(chat.port, 'GET', path, { Host })]).toEqual([path, '403 HOST_NOT_ALLOWED']);
    for (const method of ['DELETE', 'POST', 'OPTIONS', 'PUT'])
      expect(await answer(chat.port, method, '/chat/pending/bob', { Host })).toBe('403 HOST_NOT_ALLOWED');
    expect(await handshake(chat.port, { Host })).toBe('403 HOST_NOT_ALLOWED');
    expect(chat.connections.count).toBe(0);
  });

  it('a target that names its host is judged by that, too', async () => {
    await start();
    const Host = 'localhost';
    for (const target of ['http://evil.example/chat/stats', 'HTTP://localhost@evil.example/chat/stats'])
      expect(await answer(chat.port, 'GET', target, { Host })).toBe('403 HOST_NOT_ALLOWED');
    expect(await answer(chat.port, 'GET', 'http://localhost:1/chat/stats', { Host })).toBe('200');
    expect(await answer(chat.port, 'GET', 'http://localhost/chat/stats', { Host: 'evil.example' })).toBe(
      '403 HOST_NOT_ALLOWED',
    );
  });

  it('a probe is answered by whatever name it asks', async () => {
    await start();
    for (const path of ['/health/live', '/health/ready'])
      for (const Host of ['10.0.0.1:3000', 'pod-7']) expect(await answer(chat.port, 'GET', path, { Host })).toBe('200');
    expect(await answer(chat.port, 'GET', '/health/live/../../chat/stats', { Host: 'evil.example' })).toBe(
      '403 HOST_NOT_ALLOWED',
    );
  });

  it('hosts that the operator names are answered', async () => {
    await start({ allowedHosts: ['chat.test', '10.0.0.1'] });
    for (const Host of ['chat.test', 'CHAT.test:8080', '10.0.0.1:3000', 'localhost'])
      expect(await answer(chat.port, 'GET', '/chat/stats', { Host })).toBe('200');
    expect(await handshake(chat.port, { Host: 'chat.test' })).toBe('101');
    for (const Host of ['www.chat.test', 'chat.test.evil.example'])
      expect(await answer(chat.port, 'GET', '/chat/stats', { Host })).toBe('403 HOST_NOT_ALLOWED');
  });

  it('insecure lifts it', async () => {
    await start({ insecure: true });
    const Host = 'evil.example';
    expect(await handshake(chat.port, { Host })).toBe('101');
    for (const path of ['/chat/stats', '/metrics', '/docs-json', '/'])
      expect(await answer(chat.port, 'GET', path, { Host })).toBe('200');
  });
});

describe('with credentials', () => {
  it('any host is answered', async () => {
    const chat = await ChatApp.start({ adminToken: TOKEN, authenticate: () => ({ user: 'alice' }) });
    const Host = 'chat.example.com';
    expect(await answer(chat.port, 'GET', '/chat/stats', { Host, Authorization: `Bearer ${TOKEN}` })).toBe('200');
    expect(await answer(chat.port, 'GET', '/metrics', { Host })).toBe('200');
    expect(await handshake(chat.port, { Host })).toBe('101');
    await chat.dispose();
  });
});

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('a host with %s that authenticates nobody', (_, http) => {
  it('answers nothing of the chat to who asks for another host', async () => {
    const host = await GatewayHost.start({ http: http() });
    const Host = 'evil.example';
    expect(await answer(host.port, 'GET', '/chat/stats', { Host })).toBe('403 HOST_NOT_ALLOWED');
    expect(await handshake(host.port, { Host })).toBe('403 HOST_NOT_ALLOWED');
    expect(await answer(host.port, 'GET', '/chat/stats', { Host: 'localhost' })).toBe('200');
    await host.dispose();
  });
});

describe('a request of another HTTP', () => {
  it.each(['HTTP/0.9', 'HTTP/2.0', ''])('%j is refused by the standalone server', async (version) => {
    const chat = await ChatApp.start();
    const peer = await RawClient.connect(chat.port);
    await peer.write(Buffer.from(`GET /chat/stats ${version}`.trim() + '\r\nHost: localhost\r\n\r\n'));
    expect(await peer.until('"code":"BAD_HANDSHAKE"')).toMatch(/^HTTP\/1\.1 400 /);
    await peer.closed;
    await chat.dispose();
  });
});
