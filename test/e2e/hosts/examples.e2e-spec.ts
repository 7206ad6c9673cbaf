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
  return { status: response.status, body: /^[[{]/.test(text) ? JSON.parse(text) : text };
}

async function json(user: string): Promise<TestClient> {
  const client = await TestClient.connect(app!, user, { protocol: 'json' });
  clients.push(client);
  return client;
}

function post(path: string, body: object): ReturnType<typeof rest> {
  const headers = { 'Content-Type': 'application/json' };
  return rest(path, { method: 'POST', headers, body: JSON.stringify(body) });
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

  it('has a bell with what is unread on it', async () => {
    await start('bell');
    const page = await json('bob');
    await rest('/orders/7/ship/bob', { method: 'POST' });
    expect((await page.until('message')).data).toMatchObject({ from: 'shop', meta: { link: '/orders/7' } });
    const { body } = await rest('/bell/bob');
    expect(body).toMatchObject({ unread: 1, items: [{ content: 'Your order is on its way.' }] });
    const [{ position: upTo }] = (body as { items: [{ position: string }] }).items;
    expect(await post('/bell/bob/seen', { upTo })).toEqual({ status: 201, body: { unread: 0 } });
    expect((await page.until('mark')).data).toEqual({ with: 'shop', user: 'bob', read: upTo });
    page.sendJson('send', { to: 'shop', content: 'x' });
    expect((await page.until('exception')).data).toMatchObject({ code: 'NOT_ALLOWED' });
  });

  it('is a support desk, whose agents share an inbox', async () => {
    await start('support-desk');
    const [agent, customer] = [await json('agent-ann'), await json('cora')];
    customer.sendJson('send', { to: 'support', content: 'it is broken' });
    expect((await agent.until('signal')).data).toMatchObject({ kind: 'customer', data: { customer: 'cora' } });
    expect((await rest('/desk')).body).toEqual([{ customer: 'cora', unread: 1, last: 'it is broken' }]);
    expect((await rest('/desk/cora')).body).toEqual([{ from: 'cora', content: 'it is broken' }]);
    expect((await rest('/desk')).body).toMatchObject([{ unread: 0 }]);
    await post('/desk/cora', { agent: 'agent-ann', content: 'we are on it' });
    expect((await customer.until('message')).data).toMatchObject({ from: 'support', content: 'we are on it' });
    const chat = app!.get(ChatService, { strict: false });
    await eventually(async () => (await chat.pending('support')) === 0);
  });

  it('is on two devices at once', async () => {
    await start('two-devices');
    const [phone, laptop, bob] = [await json('ann'), await json('ann'), await json('bob')];
    laptop.sendJson('sync', { id: 's1' });
    const { after } = (await laptop.until('sync')).data;
    phone.sendJson('send', { to: 'bob', content: 'hello' });
    expect((await laptop.until('message')).data).toMatchObject({ from: 'ann', to: 'bob', echo: true });
    laptop.socket.terminate();
    const { position } = (await bob.until('message')).data;
    bob.sendJson('read', { with: 'ann', upTo: position! });
    expect((await phone.until('mark')).data).toMatchObject({ with: 'bob', user: 'bob' });
    bob.sendJson('send', { to: 'ann', content: 'hi' });
    await bob.until('receipts');
    const back = await json('ann');
    back.sendJson('sync', { id: 's2', after });
    const { data } = await back.until('sync');
    expect(data).toMatchObject({ complete: true, items: [{ content: 'hello' }, { content: 'hi' }] });
  });

  it.each(['messages-table', 'no-messages-table'])('is a small chat (%s)', async (name) => {
    await start(name);
    const [ann, bob] = [await json('ann'), await json('bob')];
    ann.sendJson('send', { to: 'bob', content: 'one' });
    await bob.until('message');
    await post('/chats/bob/ann', { content: 'two' });
    await eventually(async () => ((await rest('/chats/ann/bob')).body as { items: unknown[] }).items.length === 2);
    const { body } = await rest('/chats/ann/bob');
    expect(body).toMatchObject({
      items: [
        { from: 'ann', content: 'one' },
        { from: 'bob', content: 'two' },
      ],
      before: null,
    });
    const [, { position }] = (body as { items: [object, { position: string }] }).items;
    expect((await rest('/chats/ann')).body).toEqual([{ with: 'bob', last: 'two', unread: 1 }]);
    const older = (await rest(`/chats/ann/bob?before=${position}`)).body;
    expect(older).toMatchObject({ items: [{ content: 'one' }], before: null });
    await post('/chats/ann/bob/read', { upTo: position });
    expect((await rest('/chats/ann')).body).toMatchObject([{ unread: 0 }]);
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
      'bell',
      'support-desk',
      'two-devices',
      'messages-table',
      'no-messages-table',
    ];
    const parts = ['start', 'store'];
    const found = readdirSync(EXAMPLES).filter((name) => name.endsWith('.ts'));
    expect(found.sort()).toEqual([...tested, ...parts].map((name) => `${name}.ts`).sort());
  });
});
