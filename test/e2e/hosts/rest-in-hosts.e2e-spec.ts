import { Body, Controller, Module, Post, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import * as swagger from '@nestjs/swagger';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { ChatModule, ChatWsAdapter, type ChatModuleOptions } from '../../../src/index.js';
import { describeApi } from '../../../src/openapi.js';
import { IN_MEMORY } from '../../../src/testing/index.js';
import { ChatApp } from '../../support/chat-app.js';

const TOKEN = 'a-token-of-an-administrator-of-32-characters';
const PAGE = 'https://app.example.com';
const AS_ADMIN = { Authorization: `Bearer ${TOKEN}` };

@Controller('own')
class OwnController {
  @Post(['', 'chat/messages'])
  echo(@Body() body: { content?: string } | undefined): number {
    return body?.content?.length ?? -1;
  }
}

let app: INestApplication;
afterEach(() => app.close());

const KINDS = [
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
] as const;

/** Starts the application as its `main.ts` does. */
async function start(
  http: ExpressAdapter | FastifyAdapter,
  chat: ChatModuleOptions = {},
  prepare: (app: INestApplication) => void = () => undefined,
): Promise<void> {
  @Module({ imports: [ChatModule.forRoot({ ...IN_MEMORY, ...chat })], controllers: [OwnController] })
  class HostModule {}
  app = await NestFactory.create(HostModule, http, { logger: false, abortOnError: false });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  prepare(app);
  await app.listen(0, '127.0.0.1');
}

async function call(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string | Uint8Array<ArrayBuffer>,
) {
  const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : null };
}
const message = (content: string, more = {}) => JSON.stringify({ from: 'alice', to: 'bob', content, ...more });

describe.each(KINDS)('a host with %s', (kind, http) => {
  it.each(['x', '\u0001', '\u{1f642}', '"'])('takes by REST any content that the chat takes: of %j', async (unit) => {
    await start(http(), { maxContentBytes: 300_000, maxFrameBytes: 2_000_000 });
    const content = unit.repeat(Math.floor(300_000 / Buffer.byteLength(unit)));
    expect((await call('POST', '/chat/messages', {}, message(content))).status).toBe(201);
    const { body } = await call('GET', '/chat/pending/bob');
    expect(body.items[0].content === content).toBe(true);
    expect(await call('POST', '/chat/messages', {}, message(`${content}x`))).toMatchObject({
      status: 413,
      body: { code: 'CONTENT_TOO_LARGE' },
    });
    expect((await call('POST', '/chat/messages', {}, message('x'.repeat(2_000_000)))).status).toBe(413);
    expect((await call('POST', '/chat/messages', {}, '{"from"')).status).toBe(400);
  });

  it('takes on its own routes what it took without the chat', async () => {
    await start(http(), { maxContentBytes: 500_000, maxFrameBytes: 2_000_000 });
    const limit = kind === 'Express' ? 102_400 : 1_048_576;
    for (const path of ['/own', '/own/chat/messages']) {
      expect((await call('POST', path, {}, message('x'.repeat(limit - 100)))).body).toBe(limit - 100);
      expect((await call('POST', path, {}, message('x'.repeat(limit)))).status).toBe(413);
    }
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
    expect((await call('POST', '/own', form, 'content=abc')).body).toBe(3);
  });

  it('asks who calls before it reads more than its routes take', async () => {
    await start(http(), { adminToken: TOKEN, maxContentBytes: 300_000, maxFrameBytes: 2_000_000 });
    const body = message('x'.repeat(300_000));
    expect(await call('POST', '/chat/messages', {}, body)).toMatchObject({
      status: 401,
      body: { code: 'UNAUTHORIZED' },
    });
    const { status, headers } = await call('POST', '/chat/tickets', {}, '{"user"');
    expect([status, headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    expect((await call('POST', '/chat/messages', AS_ADMIN, body)).status).toBe(201);
  });

  it('asks the authenticator once for each call', async () => {
    let asked = 0;
    const authenticate = () => ({ user: 'alice', isAdmin: true, asked: (asked += 1) });
    await start(http(), { authenticate });
    expect((await call('POST', '/chat/messages', AS_ADMIN, message('x'))).status).toBe(201);
    expect((await call('POST', '/chat/tickets', AS_ADMIN, '{}')).status).toBe(201);
    expect((await call('POST', '/chat/tickets', AS_ADMIN)).status).toBe(201);
    expect(asked).toBe(3);
  });

  it('behind a prefix it does the same', async () => {
    await start(http(), { adminToken: TOKEN, allowedOrigins: [PAGE] }, (host) => host.setGlobalPrefix('/api/v1'));
    expect((await call('POST', '/api/v1/chat/messages', AS_ADMIN, message('\u0001'.repeat(65_536)))).status).toBe(201);
    const { headers } = await call('POST', '/api/v1/chat/tickets', { ...AS_ADMIN, Origin: PAGE }, '{"user":"bob"}');
    expect(headers.get('access-control-allow-origin')).toBe(PAGE);
    expect(await call('GET', `/api/v1/chat/users/${'x'.repeat(128)}`, AS_ADMIN)).toMatchObject({ status: 200 });
  });

  it('reads what is packed as it reads it elsewhere', async () => {
    await start(http());
    const { status } = await call(
      'POST',
      '/chat/messages',
      { 'Content-Encoding': 'gzip' },
      new Uint8Array(gzipSync(message('x'))),
    );
    expect(status).toBe(kind === 'Express' ? 201 : 400);
  });

  it.each([101, 127, 128])('has names of %d characters in its paths', async (length) => {
    await start(http());
    const name = `${'n'.repeat(length - 3)}/%?`;
    const part = encodeURIComponent(name);
    const from = encodeURIComponent('s'.repeat(length));
    const { body } = await call(
      'POST',
      '/chat/messages',
      {},
      message('x', { to: name, from: 's'.repeat(length), id: 'm' }),
    );
    expect(body).toMatchObject({ status: 'stored' });
    expect((await call('GET', `/chat/users/${part}?x=/y`)).body).toMatchObject({ user: name, pending: 1 });
    expect((await call('GET', `/chat/pending/${part}?limit=1`)).body).toMatchObject({
      total: 1,
      items: [{ to: name }],
    });
    expect((await call('DELETE', `/chat/users/${part}/connections`)).body).toEqual({ closed: 0 });
    expect((await call('DELETE', `/chat/pending/${part}/${from}/other`)).body).toEqual({ purged: 0 });
    expect((await call('DELETE', `/chat/pending/${part}/${from}/m`)).body).toEqual({ purged: 1 });
    expect((await call('DELETE', `/chat/pending/${part}`)).body).toEqual({ purged: 0 });
    for (const path of [
      `/chat/users/${part}/nothing`,
      `/chat/pending/${part}/a`,
      `/chat/pending/${part}/a/b/c`,
      '/chat/users/',
    ])
      expect([path, (await call('GET', path)).status]).toEqual([path, 404]);
    expect((await call('GET', `/chat/users/${'n'.repeat(129)}`)).status).toBe(400);
    const ofThree = '%E5%B1%B1'.repeat(42);
    expect((await call('GET', `/chat/users/${ofThree}`)).body).toMatchObject({ user: '山'.repeat(42) });
  });

  describe('and pages of other origins', () => {
    const preflight = (path: string, Origin: string, wanted = 'POST') =>
      call('OPTIONS', path, {
        Origin,
        'Access-Control-Request-Method': wanted,
        'Access-Control-Request-Headers': 'authorization,content-type',
      });

    it('lets those of allowedOrigins ask for tickets, and for nothing else', async () => {
      await start(http(), { adminToken: TOKEN, allowedOrigins: [PAGE] });
      const asked = await preflight('/chat/tickets', PAGE);
      expect(asked.status).toBe(204);
      expect(Object.fromEntries(asked.headers)).toMatchObject({
        'access-control-allow-origin': PAGE,
        'access-control-allow-methods': 'POST',
        'access-control-allow-headers': 'Authorization, Content-Type',
        'access-control-max-age': '600',
        vary: 'Origin',
      });
      expect(asked.headers.get('access-control-allow-credentials')).toBeNull();
      const given = await call('POST', '/chat/tickets', { ...AS_ADMIN, Origin: PAGE }, '{"user":"bob"}');
      expect([given.status, given.headers.get('access-control-allow-origin')]).toEqual([201, PAGE]);
      const refused = await call('POST', '/chat/tickets', { Origin: PAGE }, '{"user":"bob"}');
      expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, PAGE]);
      for (const path of [
        '/chat/messages',
        '/chat/stats',
        '/chat/pending/bob',
        '/chat/tickets/x',
        '/own',
        '/own/chat/tickets',
      ])
        expect([path, (await preflight(path, PAGE)).headers.get('access-control-allow-origin')]).toEqual([path, null]);
      for (const origin of ['https://evil.example', 'null', `${PAGE}.evil.example`])
        expect((await preflight('/chat/tickets', origin)).headers.get('access-control-allow-origin')).toBeNull();
      expect((await preflight('/chat/tickets', PAGE, 'DELETE')).status).toBe(404);
    });

    it.each<[string, ChatModuleOptions, string | null]>([
      ['none when none is named', { authenticate: () => null }, null],
      ['any when all are', { authenticate: () => null, allowedOrigins: null }, PAGE],
      ['any where names are believed', { adminToken: TOKEN }, PAGE],
      ['none but those named where names are believed', { allowedOrigins: ['https://other.example'] }, null],
    ])('lets those ask that may connect: %s', async (_title, options, allowed) => {
      await start(http(), options);
      expect((await preflight('/chat/tickets', PAGE)).headers.get('access-control-allow-origin')).toBe(allowed);
      const { status } = await call('GET', '/chat?user=bob', { Origin: PAGE, Authorization: 'Bearer x' });
      expect(status).toBe(allowed === null ? 403 : options.authenticate ? 401 : 426);
    });

    it('lets any ask, with a token, why it may not connect', async () => {
      await start(http(), { authenticate: () => null, allowedOrigins: [PAGE] });
      for (const origin of [PAGE, 'https://evil.example', 'null']) {
        const asked = await preflight('/chat?user=bob', origin, 'GET');
        expect([asked.status, Object.fromEntries(asked.headers)]).toMatchObject([
          204,
          {
            'access-control-allow-origin': origin,
            'access-control-allow-methods': 'GET',
            'access-control-allow-headers': 'Authorization, Content-Type',
            'access-control-expose-headers': 'Retry-After',
            vary: 'Origin',
          },
        ]);
        const { status, headers, body } = await call('GET', '/chat', { Origin: origin, Authorization: 'Bearer x' });
        expect([status, body.code]).toEqual(origin === PAGE ? [401, 'UNAUTHORIZED'] : [403, 'ORIGIN_NOT_ALLOWED']);
        expect([headers.get('access-control-allow-origin'), headers.get('cache-control')]).toEqual([
          origin,
          'no-store',
        ]);
      }
      expect((await preflight('/chat', PAGE, 'POST')).headers.get('access-control-allow-methods')).toBeNull();
    });

    it('says nothing twice where the application has CORS of its own', async () => {
      await start(http(), { adminToken: TOKEN, allowedOrigins: [PAGE] }, (host) =>
        host.enableCors({ origin: [PAGE, 'https://other.example'], credentials: true }),
      );
      for (const { headers } of [
        await preflight('/chat/tickets', PAGE),
        await call('POST', '/chat/tickets', { ...AS_ADMIN, Origin: PAGE }, '{"user":"bob"}'),
      ]) {
        expect(headers.get('access-control-allow-origin')).toBe(PAGE);
        expect(headers.get('vary')?.match(/origin/gi)).toHaveLength(1);
      }
      const { headers } = await call('POST', '/own', { Origin: 'https://other.example' }, message('x'));
      expect(headers.get('access-control-allow-origin')).toBe('https://other.example');
    });
  });
});

describe.each(KINDS)('the OpenAPI document of a host application on %s', (_kind, http) => {
  it('has the REST calls, below its prefix and with their schemas, beside its own', async () => {
    await start(http(), {}, (host) => host.setGlobalPrefix('/api'));
    describeApi(swagger);
    describeApi(swagger); // It is harmless.
    const { paths } = swagger.SwaggerModule.createDocument(app, new swagger.DocumentBuilder().build());
    expect(Object.keys(paths)).toEqual(expect.arrayContaining(['/api/own', '/api/chat/stats']));
    expect(Object.keys(paths)).not.toContain('/api/chat');
    const { summary, parameters, responses } = paths['/api/chat/pending/{user}']!.get!;
    expect(summary).toMatch(/^List the messages/);
    expect(parameters!.map((each) => 'name' in each && each.name)).toEqual(['user', 'limit', 'cursor']);
    const schema = { type: 'object', required: ['items', 'total', 'nextCursor'] };
    expect(responses['200']).toMatchObject({ content: { 'application/json': { schema } } });
  });
});

describe('the standalone server', () => {
  it('lets pages of allowedOrigins ask for tickets', async () => {
    const chat = await ChatApp.start({
      adminToken: TOKEN,
      authenticate: () => ({ user: 'bob' }),
      allowedOrigins: [PAGE],
    });
    app = chat.app;
    const wanted = { Origin: PAGE, 'Access-Control-Request-Method': 'POST' };
    const asked = await call('OPTIONS', '/chat/tickets', wanted);
    expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([204, PAGE]);
    expect((await call('OPTIONS', '/chat/messages', wanted)).status).toBe(401);
    const given = await call('POST', '/chat/tickets', { Authorization: 'Bearer of-bob', Origin: PAGE }, '{}');
    expect([given.status, given.headers.get('access-control-allow-origin')]).toEqual([201, PAGE]);
    expect((await call('POST', '/chat/messages', AS_ADMIN, message('\u0001'.repeat(65_536)))).status).toBe(201);
    await chat.dispose();
  });
});
