import type { INestApplication } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { readdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { io as connectSocketIo } from 'socket.io-client';
import type { DataSource } from 'typeorm';
import { ChatService } from '../../../src/index.js';
import { TestClient } from '../../../src/testing/index.js';
import { eventually } from '../../support/deadline.js';
import { PostgresServer } from '../../support/postgres-server.js';

const EXAMPLES = new URL('../../../examples/', import.meta.url);
// It is read when the first example is imported. So none is imported above.
process.env['EXAMPLE_DATABASE'] = ':memory:';

let app: INestApplication | null = null;
let clients: TestClient[] = [];

async function start(name: string): Promise<INestApplication> {
  const example = (await import(new URL(`${name}.ts`, EXAMPLES).href)) as { createApp(): Promise<INestApplication> };
  app = await example.createApp();
  app.useLogger(false);
  await app.listen(0, '127.0.0.1');
  return app;
}

async function connect(user: string, path = '/chat'): Promise<TestClient> {
  const client = await TestClient.connect(app!, user, { path });
  clients.push(client);
  return client;
}

function port(): number {
  return ((app!.getHttpServer() as { address(): unknown }).address() as AddressInfo).port;
}

async function rest(path: string, init: RequestInit = {}): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`http://127.0.0.1:${port()}${path}`, init);
  const text = await response.text();
  return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text };
}

/** What every host gets: a message that waited, one that is live, and the administrator's view of both. */
async function converse({ path = '/chat', api = '/chat' } = {}): Promise<void> {
  const alice = await connect('alice', path);
  alice.send('bob|while you were away');
  await eventually(async () => (await app!.get(ChatService, { strict: false }).pending('bob')) === 1);
  expect(await rest(`${api}/pending/bob`)).toMatchObject({ status: 200, body: { total: 1 } });
  const bob = await connect('bob', path);
  expect(await bob.next()).toMatch(/^\d{4}-.*Z:while you were away$/);
  bob.send('alice|thanks');
  expect(await alice.next()).toBe('thanks');
  expect(await rest(`${api}/connections?user=bob`)).toMatchObject({ status: 200, body: { total: 1 } });
  expect(await rest(`${api}/connections/nobody`)).toMatchObject({ status: 404, body: { code: 'NO_SUCH_CONNECTION' } });
}

async function close(): Promise<void> {
  for (const client of clients) client.socket.terminate();
  clients = [];
  await app?.close();
  app = null;
}

afterEach(close);

describe('the chat lives in an application', () => {
  it('on Express', async () => {
    await start('express');
    await converse();
  });

  it('on Fastify', async () => {
    await start('fastify');
    await converse();
  });

  it('with a prefix, versions, and a guard, a pipe and an interceptor for everything', async () => {
    const host = await start('conventions');
    const { CallCounter } = await import('../../../examples/conventions.js');
    await converse({ path: '/talk', api: '/api/talk' });
    expect(await rest('/api/v1/hello/%20you%20')).toEqual({ status: 200, body: { hello: 'you' } });
    expect(await rest('/api/talk/stats', { headers: { 'X-Day': 'sunday' } })).toMatchObject({ status: 403 });
    expect(host.get(CallCounter).calls).toBeGreaterThanOrEqual(3);
  });

  it('with a gateway of its own on another path', async () => {
    await start('own-gateway');
    await converse();
    const prices = await TestClient.open(`ws://127.0.0.1:${port()}/prices`);
    clients.push(prices);
    prices.send(JSON.stringify({ event: 'price', data: 'ACME' }));
    expect(JSON.parse(await prices.next())).toEqual({ event: 'price', data: 'ACME costs 42' });
  });

  it('beside Socket.IO on the same port', async () => {
    await start('socket-io');
    await converse();
    const prices = connectSocketIo(`http://127.0.0.1:${port()}`, { transports: ['websocket'], reconnection: false });
    try {
      expect(await prices.timeout(5_000).emitWithAck('price', 'ACME')).toBe('ACME costs 42');
    } finally {
      prices.close();
    }
  });

  it('in its own Postgres database', async () => {
    const server = await PostgresServer.start();
    try {
      process.env['EXAMPLE_POSTGRES'] = await server.createDatabase();
      const host = await start('postgres');
      await converse();
      const own = host.get<DataSource>(getDataSourceToken());
      const waiting = 'SELECT COUNT(*) AS count FROM holdfast_offline_message';
      await eventually(async () => ((await own.query(waiting)) as { count: string }[])[0]?.count === '0');
      await close();
    } finally {
      await server.dispose();
    }
  });

  it('with connections of its own to databases, and migrations', async () => {
    await start('own-database');
    await converse();
    expect(await rest('/cats')).toEqual({ status: 200, body: { cats: [{ id: 1, name: 'Tom' }], archived: 0 } });
  });

  it('that sends, listens and has a policy', async () => {
    await start('push');
    await converse();
    expect(await rest('/orders/7/ship/carol', { method: 'POST' })).toMatchObject({
      status: 201,
      body: { id: 'shipped-7', status: 'stored' },
    });
    const [dave] = [await connect('dave')];
    dave.send('hello, everybody');
    expect(await dave.next()).toMatch(/^error: NOT_ALLOWED: /);
  });

  it('and every example is one of these', () => {
    const tested = [
      'express',
      'fastify',
      'conventions',
      'own-gateway',
      'socket-io',
      'own-database',
      'postgres',
      'push',
    ];
    const parts = ['start', 'store'];
    const found = readdirSync(EXAMPLES).filter((name) => name.endsWith('.ts'));
    expect(found.sort()).toEqual([...tested, ...parts].map((name) => `${name}.ts`).sort());
  });
});
