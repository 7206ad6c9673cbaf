import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { RedisBus } from '../../../src/cluster/redis-bus.js';
import { systemClock } from '../../../src/options/clock.js';
import { eventually } from '../../support/deadline.js';
import { fastClock } from '../../support/fast-clock.js';
import { PostgresProxy } from '../../support/postgres-proxy.js';
import { RedisServer } from '../../support/redis-server.js';

const PASSWORD = 'p@ss:w/rd%';

describe('a Redis with an access list', () => {
  let server: RedisServer;
  let network: PostgresProxy;
  beforeAll(async () => {
    server = await RedisServer.start();
    const rights = ['resetchannels', '&holdfast:*', '-@all', '+publish', '+subscribe'];
    await server.call('ACL', 'SETUSER', 'chat', 'on', `>${PASSWORD}`, ...rights);
    await server.call('ACL', 'SETUSER', 'default', 'resetchannels', '-publish', '-subscribe');
    network = await PostgresProxy.start(server.socket);
  });
  afterAll(async () => {
    await network.close();
    await server.dispose();
  });
  afterEach(() => jest.restoreAllMocks());

  const address = (password: string) => `redis://chat:${encodeURIComponent(password)}@127.0.0.1:${network.port}`;

  it('is used with a user who may publish and subscribe on the channels of Holdfast, and nothing else', async () => {
    const logged = jest.spyOn(Logger.prototype, 'log').mockReturnValue();
    const warned = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const bus = await RedisBus.create(address(PASSWORD), 'c1', systemClock);
    const heard: string[] = [];
    bus.received.on((packet) => heard.push(String(packet)));
    await bus.listen(1);
    const taken = await new Promise((settled) => bus.publish(1, Buffer.from('to myself'), settled));
    expect(taken).toBe(true);
    await eventually(() => heard.length === 1);
    await bus.close();
    expect(warned).not.toHaveBeenCalled();
    expect(logged.mock.calls).toEqual([[`Nodes talk over redis://127.0.0.1:${network.port}.`]]);
  });

  it('is told from one that is away: the log has its reason, and no password', async () => {
    const warned = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const bus = await RedisBus.create(address('wr0ng'), 'c1', systemClock);
    void bus.listen(1);
    await eventually(() => warned.mock.calls.length > 0);
    await bus.close();
    expect(warned.mock.calls).toEqual([
      [expect.stringMatching(/^Nodes can't talk over redis:.*(WRONGPASS|NOAUTH|NOPERM)/)],
    ]);
    expect(String(warned.mock.lastCall![0])).not.toMatch(/wr0ng|chat:/);
  });
});

describe('a Redis with TLS', () => {
  let server: RedisServer;
  let relay: Server;
  let folder: string;
  beforeAll(async () => {
    server = await RedisServer.start();
    folder = await mkdtemp(join(tmpdir(), 'holdfast-tls-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost'];
    execFileSync('openssl', [...request, '-keyout', key, '-out', cert], { stdio: 'pipe' });
    relay = createServer({ key: await readFile(key), cert: await readFile(cert) }, (socket) => {
      const redis = connect(server.socket);
      for (const each of [socket, redis]) each.on('error', () => undefined);
      socket.pipe(redis).pipe(socket);
    });
    relay.listen(0, '127.0.0.1');
    await once(relay, 'listening');
  });
  afterAll(async () => {
    relay.close();
    await server.dispose();
    await rm(folder, { recursive: true });
  });
  afterEach(() => jest.restoreAllMocks());

  it('is not used while its certificate is not trusted: the log says so, and the process lives', async () => {
    const warned = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const url = `rediss://localhost:${(relay.address() as AddressInfo).port}`;
    // On this clock a try has 300 ms. A busy machine may need longer, but not each time.
    const bus = await RedisBus.create(url, 'c1', fastClock(10));
    const heard = bus.listen(1);
    const warnings = () => warned.mock.calls.map(([text]) => String(text));
    await eventually(
      () => warnings().some((text) => text.includes('self-signed certificate')),
      () => `the certificate is not trusted: ${JSON.stringify(warnings())}`,
    );
    await bus.close();
    await heard;
    expect(bus.isListening).toBe(false);
  });
});

it('lets go of a Redis that does not reply, and asks it again', async () => {
  const open = new Set<Socket>();
  let opened = 0;
  const silent = createTcpServer((socket) => {
    opened += 1;
    open.add(socket.on('error', () => undefined).on('close', () => open.delete(socket)));
    socket.resume();
  }).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const bus = await RedisBus.create(
    `redis://127.0.0.1:${(silent.address() as AddressInfo).port}`,
    'c1',
    fastClock(100),
  );
  const heard = bus.listen(1);
  // Each try has two connections, and is given up.
  await eventually(() => opened >= 6);
  await eventually(() => open.size <= 2);
  await bus.close();
  await heard;
  await eventually(() => open.size === 0);
  expect(bus.isListening).toBe(false);
  silent.close();
});

it('says which package is missing when there is no ioredis', async () => {
  jest.unstable_mockModule('ioredis', () => {
    throw new Error('Cannot find package');
  });
  await expect(RedisBus.create('redis://localhost', 'c1', systemClock)).rejects.toThrow('npm install ioredis');
});
