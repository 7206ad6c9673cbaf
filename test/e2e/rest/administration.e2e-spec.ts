import { jest } from '@jest/globals';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { AddressInfo } from 'node:net';
import { jwt } from '../../../src/authentication/jwt.authenticator.js';
import { startServer } from '../../../src/server.js';
import { ChatApp, type TestOptions } from '../../support/chat-app.js';
import { Issuer } from '../../support/issuer.js';
import { catchLogLines } from '../../support/log-lines.js';
import { alone } from '../../support/test-nodes.js';

const ADMIN_TOKEN = 'administrator-0123456789';
const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

let issuer: Issuer;
let chat: ChatApp;

beforeAll(async () => {
  issuer = await Issuer.start();
});
afterAll(() => issuer.stop());

async function start(options: TestOptions = {}): Promise<void> {
  chat = await ChatApp.start({ authenticate: jwt(issuer.jwt), adminToken: ADMIN_TOKEN, ...options });
}

/** What an orchestrator calls without credentials. It names no user. */
const OPEN = ['GET /health/live', 'GET /health/ready', 'GET /metrics'];

/** The path that tells everybody to use a WebSocket. */
const SOCKET = '/chat';

/** Every call of the running router that is not open, as method and path, with a value for each parameter. */
function routes(): [string, string][] {
  return allRoutes().filter(([method, path]) => path !== SOCKET && !OPEN.includes(`${method} ${path}`));
}

function allRoutes(): [string, string][] {
  const { router } = chat.app.getHttpAdapter().getInstance() as {
    router: { stack: { route?: { path: string; methods: Record<string, boolean> } }[] };
  };
  return router.stack.flatMap(({ route }) =>
    route
      ? METHODS.filter((method) => route.methods[method]).map((method): [string, string] => [
          method.toUpperCase(),
          route.path.replace(/:\w+/g, 'bob'),
        ])
      : [],
  );
}

async function answer(method: string, path: string, token?: string) {
  const response = await fetch(`http://127.0.0.1:${chat.port}${path}`, {
    method,
    headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
  });
  return { status: response.status, text: await response.text(), challenge: response.headers.get('www-authenticate') };
}

describe('every call that the router serves', () => {
  beforeAll(() => start());
  afterAll(() => chat.dispose());

  it('is below the path of the chat, or a form of the description', () => {
    const served = routes().map(([method, path]) => `${method} ${path}`);
    expect(served).toEqual(
      expect.arrayContaining(['DELETE /chat/users/bob/connections', 'POST /chat/tickets', 'GET /docs-json']),
    );
    expect(served.filter((route) => !/^\w+ \/(chat(\/|$)|docs(-json|-yaml)?(\/|$))/.test(route))).toEqual([]);
  });

  it('needs credentials, but for what an orchestrator asks, and the path of the socket', async () => {
    const all = allRoutes().map(([method, path]) => `${method} ${path}`);
    expect(all).toEqual(
      expect.arrayContaining([...OPEN, ...METHODS.map((method) => `${method.toUpperCase()} ${SOCKET}`)]),
    );
    const bob = await issuer.token('bob');
    for (const token of [undefined, 'garbage', bob, ADMIN_TOKEN]) {
      for (const method of METHODS) {
        const { status, text } = await answer(method.toUpperCase(), SOCKET, token);
        const wouldConnect = method !== 'get' || token === bob;
        expect([method, token, status, JSON.parse(text)]).toMatchObject([
          method,
          token,
          ...(wouldConnect ? [426, { code: 'UPGRADE_REQUIRED' }] : [401, { code: 'UNAUTHORIZED' }]),
        ]);
      }
    }
    for (const path of ['/health/live', '/health/ready', '/metrics'])
      expect((await answer('GET', path)).status).toBe(200);
  });

  it('answers 401 without good credentials, always in the same words', async () => {
    const bad = [
      undefined,
      'garbage',
      `${ADMIN_TOKEN}x`,
      ADMIN_TOKEN.slice(0, -1),
      ADMIN_TOKEN.toUpperCase(),
      await issuer.token('root', { role: 'admin', aud: 'mail' }),
      await issuer.token('root', { role: 'admin', exp: 1 }),
    ];
    for (const [method, path] of routes()) {
      for (const token of bad) {
        expect([method, path, token, await answer(method, path, token)]).toEqual([
          method,
          path,
          token,
          {
            status: 401,
            text: '{"statusCode":401,"code":"UNAUTHORIZED","message":"valid credentials are needed; get new ones and try again"}',
            challenge: 'Bearer',
          },
        ]);
      }
    }
  });

  it('answers 403 to a user who is no administrator, but for a ticket', async () => {
    for (const claims of [
      {},
      { role: 'user' },
      { role: ['admin'] },
      { roles: 'admin' },
      { roles: ['Admin'] },
      { admin: true },
    ]) {
      const token = await issuer.token('bob', claims);
      for (const [method, path] of routes()) {
        const { status, text } = await answer(method, path, token);
        const { code } = JSON.parse(text) as { code?: string };
        const wanted = path === '/chat/tickets' ? [201, undefined] : [403, 'FORBIDDEN'];
        expect([method, path, status, code]).toEqual([method, path, ...wanted]);
      }
    }
  });

  it('lets administrators in, by their token or by their role', async () => {
    const tokens = [
      ADMIN_TOKEN,
      await issuer.token('root', { role: 'admin' }),
      await issuer.token('root', { roles: ['x', 'admin'] }),
    ];
    for (const token of tokens) {
      for (const [method, path] of routes()) {
        const { status } = await answer(method, path, token);
        expect([method, path, status]).toEqual([method, path, expect.any(Number)]);
        expect([401, 403, 500]).not.toContain(status);
      }
      for (const path of ['/chat/stats', '/docs', '/docs-json'])
        expect((await answer('GET', path, token)).status).toBe(200);
    }
  });

  alone('process').it.each([
    '/chat/messages',
    '/chat/tickets',
    '/chat/nothing',
    '/chat',
    '/',
    '/health/live',
    '/docs-json',
  ])('reads no body of a stranger: %s', async (path) => {
    const parse = jest.spyOn(JSON, 'parse');
    const body = JSON.stringify({ from: 'alice', to: 'bob', content: 'of a stranger' });
    const headers = { 'Content-Type': 'application/json' };
    const url = `http://127.0.0.1:${chat.port}${path}`;
    const { status } = await fetch(url, { method: 'POST', body, headers });
    expect([401, 404, 426]).toContain(status);
    expect(parse.mock.calls.filter(([text]) => text.includes('of a stranger'))).toEqual([]);
    // The body of a known caller is read, so the spy would see it.
    const authorised = { ...headers, Authorization: `Bearer ${ADMIN_TOKEN}` };
    await fetch(`http://127.0.0.1:${chat.port}/chat/messages`, { method: 'POST', body, headers: authorised });
    expect(parse.mock.calls.filter(([text]) => text.includes('of a stranger'))).toHaveLength(1);
    parse.mockRestore();
  });

  it('takes its credentials from the header only', async () => {
    for (const query of ['user=root', `token=${ADMIN_TOKEN}`, `ticket=${ADMIN_TOKEN}`]) {
      expect((await answer('GET', `/chat/stats?${query}`)).status).toBe(401);
    }
  });

  it('leaves nothing in a cache, lets no page frame it, and does not say what it is made of', async () => {
    for (const path of ['/', '/docs', '/chat/pending/bob', '/chat/nothing', '/health/live']) {
      const { headers } = await fetch(`http://127.0.0.1:${chat.port}${path}`, {
        headers: { Authorization: `Bearer ${ADMIN_TOKEN}` },
      });
      expect(Object.fromEntries(headers)).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        ...(path.startsWith('/chat') ? { 'cache-control': 'no-store' } : {}),
      });
      expect(headers.get('x-powered-by')).toBeNull();
    }
  });

  it('is described in all its forms to administrators only, however the path is written', async () => {
    for (const path of [
      '/docs',
      '/docs/',
      '/DOCS',
      '/docs/index.html',
      '/docs/swagger-ui-init.js',
      '/docs-json',
      '/Docs-Yaml/',
    ]) {
      expect([path, (await answer('GET', path)).status]).toEqual([path, 401]);
    }
    expect((await answer('GET', '/')).status).toBe(200); // The page.
  });
});

describe('the REST calls', () => {
  afterEach(() => chat.dispose());

  it('are open on loopback while nothing is configured', async () => {
    await start({ authenticate: undefined, adminToken: null });
    for (const path of ['/chat/stats', '/docs-json']) expect((await answer('GET', path)).status).toBe(200);
  });

  it('are closed as soon as there is an administrator, also where users are trusted', async () => {
    await start({ authenticate: undefined });
    expect((await answer('GET', '/chat/stats')).status).toBe(401);
    expect((await answer('POST', '/chat/tickets?user=alice', 'alice')).status).toBe(401);
    expect((await answer('GET', '/chat/stats', ADMIN_TOKEN)).status).toBe(200);
    await (await chat.connect('alice')).expectNothingElse('alice');
  });

  it('are closed as soon as users have to prove who they are, also without an administrator token', async () => {
    await start({ adminToken: null });
    expect((await answer('GET', '/chat/stats')).status).toBe(401);
    expect((await answer('GET', '/chat/stats', await issuer.token('bob'))).status).toBe(403);
    expect((await answer('GET', '/chat/stats', await issuer.token('root', { role: 'admin' }))).status).toBe(200);
  });
});

describe('the audit log', () => {
  afterEach(async () => {
    jest.restoreAllMocks();
    await chat.dispose();
  });

  it('has one line of every change: who, what and how it ended, and never a content', async () => {
    await start();
    const lines = catchLogLines();
    const root = await issuer.token('root "r"', { role: 'admin' });
    const message = { from: 'alice', to: 'bob\u2028', content: 'secret', id: 'm1' };
    await chat.rest('POST', '/chat/messages', message, root);
    await chat.rest('POST', '/chat/messages', { from: 'alice', content: 'secret', broadcast: true }, ADMIN_TOKEN);
    await chat.rest('POST', '/chat/messages', { ...message, id: 'no\nid', to: 'secret' }, root);
    await chat.rest('GET', '/chat/pending/bob', undefined, root);
    await chat.rest('DELETE', '/chat/pending/bob/alice/m1', undefined, root);
    await chat.rest('DELETE', '/chat/pending/bob', undefined, ADMIN_TOKEN);
    await chat.rest('DELETE', '/chat/connections/secret', undefined, root);
    await chat.rest('DELETE', '/chat/users/bob/connections', undefined, root);
    await chat.rest('POST', '/chat/tickets', undefined, await issuer.token('bob'));
    await chat.rest('DELETE', '/chat/pending/bob', undefined, 'guess');
    const who = 'user "root \\"r\\"" from 127.0.0.1:';
    const token = 'the administrator token from 127.0.0.1:';
    expect(lines.filter((line) => line.includes(' Audit: '))).toEqual([
      `log Audit: ${who} POST /chat/messages {"from":"alice","to":"bob","id":"m1"}: done`,
      `log Audit: ${token} POST /chat/messages {"from":"alice","broadcast":true}: done`,
      `log Audit: ${who} POST /chat/messages: refused, BAD_REQUEST`,
      `log Audit: ${who} GET /chat/pending/:user {"user":"bob"}: done`,
      `log Audit: ${who} DELETE /chat/pending/:user/:from/:id {"user":"bob","from":"alice","id":"m1"}: done`,
      `log Audit: ${token} DELETE /chat/pending/:user {"user":"bob"}: done`,
      `log Audit: ${who} DELETE /chat/connections/:id: refused, NO_SUCH_CONNECTION`,
      `log Audit: ${who} DELETE /chat/users/:user/connections {"user":"bob"}: done`,
      `log Audit: user "bob" from 127.0.0.1: POST /chat/tickets {}: done`,
    ]);
    expect(lines.join()).not.toContain('secret');
  });

  it('has a line of everybody who reads the record of a user, or exports it', async () => {
    await start({ record: { keepMs: 3_600_000 } });
    const lines = catchLogLines();
    const root = await issuer.token('root', { role: 'admin' });
    await chat.rest('GET', '/chat/history/bob/ann%20b?limit=1', undefined, root);
    await chat.rest('GET', '/chat/history/bob/ann?limit=0', undefined, root);
    await chat.rest('GET', '/chat/conversations/bob', undefined, root);
    await chat.rest('GET', '/chat/sync/bob', undefined, ADMIN_TOKEN);
    await chat.rest('GET', '/chat/users/bob/export', undefined, root);
    await chat.rest('GET', '/chat/users/bob', undefined, root);
    await chat.rest('GET', '/chat/history/bob/ann', undefined, await issuer.token('eve'));
    const who = 'user "root" from 127.0.0.1:';
    expect(lines.filter((line) => line.includes(' Audit: '))).toEqual([
      `log Audit: ${who} GET /chat/history/:user/:with {"user":"bob","with":"ann b"}: done`,
      `log Audit: ${who} GET /chat/history/:user/:with: refused, BAD_REQUEST`,
      `log Audit: ${who} GET /chat/conversations/:user {"user":"bob"}: done`,
      `log Audit: the administrator token from 127.0.0.1: GET /chat/sync/:user {"user":"bob"}: done`,
      `log Audit: ${who} GET /chat/users/:user/export {"user":"bob"}: done`,
    ]);
  });

  it('has a line of every call whose answer says what people have written', async () => {
    await start({ record: { keepMs: 3_600_000 } });
    await chat.rest('POST', '/chat/messages', { from: 'bob', to: 'bob', content: 'secret', id: 'm1' }, ADMIN_TOKEN);
    const revealing: string[] = [];
    const logged: string[] = [];
    for (const path of new Set(routes().flatMap(([method, path]) => (method === 'GET' ? [path] : [])))) {
      const lines = catchLogLines();
      if ((await answer('GET', path, ADMIN_TOKEN)).text.includes('secret')) revealing.push(path);
      if (lines.some((line) => line.includes(' Audit: '))) logged.push(path);
      jest.restoreAllMocks();
    }
    const conversation = ['/chat/conversations/bob', '/chat/history/bob/bob'];
    expect(revealing.toSorted()).toEqual([...conversation, '/chat/pending/bob', '/chat/users/bob/export']);
    expect(logged).toEqual(expect.arrayContaining(revealing));
  });

  it.each([
    ['as a trusted proxy reports it', ['loopback'], '192.0.2.7'],
    ['and believes nobody else', [], '127.0.0.1'],
  ])('says where a call came from, %s', async (_, trustedProxies, address) => {
    await start({ trustedProxies });
    const lines = catchLogLines();
    await fetch(`http://127.0.0.1:${chat.port}/chat/pending/bob`, {
      method: 'DELETE',
      headers: { Authorization: `Bearer ${ADMIN_TOKEN}`, 'X-Forwarded-For': '203.0.113.9, 192.0.2.7' },
    });
    expect(lines).toContain(
      `log Audit: the administrator token from ${address}: DELETE /chat/pending/:user {"user":"bob"}: done`,
    );
  });
});

describe('the standalone server', () => {
  let server: NestExpressApplication | null = null;
  const launch = async (env: NodeJS.ProcessEnv) =>
    (server = await startServer({ PORT: '0', DATABASE_URL: 'sqlite::memory:', ...env }));
  afterEach(async () => {
    jest.restoreAllMocks();
    await server?.close();
    server = null;
  });
  const insecure = (lines: string[]) => lines.filter((line) => line.startsWith('warn Authentication: INSECURE'));

  it('refuses to serve strangers who prove nothing, and says what to set', async () => {
    await expect(launch({ HOST: '0.0.0.0' })).rejects.toThrow(/CHAT_AUTH=jwt.*127\.0\.0\.1.*CHAT_INSECURE=1/);
    await expect(launch({ HOST: '0.0.0.0', CHAT_ADMIN_TOKEN: ADMIN_TOKEN })).rejects.toThrow('CHAT_AUTH=jwt');
  });

  it('does so when told, and warns at every start', async () => {
    for (const [env, warnings] of [
      [{}, 2],
      [{ CHAT_ADMIN_TOKEN: ADMIN_TOKEN }, 1],
      [{}, 2],
    ] as const) {
      const lines = catchLogLines();
      await launch({ HOST: '0.0.0.0', CHAT_INSECURE: '1', ...env });
      expect(insecure(lines)).toHaveLength(warnings);
      expect(lines.join('\n')).toMatch(/listening on http:\/\/0\.0\.0\.0:\d+ \(INSECURE: there is no authentication\)/);
      await server!.close();
      jest.restoreAllMocks();
    }
  });

  it('tells its page, and whoever asks, where the socket is and how users are known, and nothing else', async () => {
    const settings = async () => {
      const { port } = server!.getHttpServer().address() as AddressInfo;
      return (await fetch(`http://127.0.0.1:${port}/settings.json`)).json();
    };
    catchLogLines();
    await launch({});
    expect(await settings()).toEqual({ path: '/chat', users: 'trusted' });
    await server!.close();
    const { jwksUrl, issuer: iss, audience } = issuer.jwt;
    const jwtOnly = { CHAT_AUTH: 'jwt', CHAT_JWKS_URL: jwksUrl, CHAT_JWT_ISSUER: iss, CHAT_JWT_AUDIENCE: audience };
    await launch({ CHAT_PATH: '/team/chat', CHAT_ADMIN_TOKEN: ADMIN_TOKEN, ...jwtOnly });
    expect(await settings()).toEqual({ path: '/team/chat', users: 'token', userClaim: 'sub' });
    await server!.close();
    await launch({ CHAT_JWT_USER_CLAIM: 'login', ...jwtOnly });
    expect(await settings()).toEqual({ path: '/chat', users: 'token', userClaim: 'login' });
  });

  it('needs no such word where tokens are checked', async () => {
    const lines = catchLogLines();
    const { jwksUrl, issuer: iss, audience } = issuer.jwt;
    const jwtOnly = { CHAT_AUTH: 'jwt', CHAT_JWKS_URL: jwksUrl, CHAT_JWT_ISSUER: iss, CHAT_JWT_AUDIENCE: audience };
    await launch({ HOST: '0.0.0.0', ...jwtOnly });
    expect(insecure(lines)).toEqual([]);
    const { port } = server!.getHttpServer().address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    const stats = async (token: string) =>
      (await fetch(`${url}/chat/stats`, { headers: { Authorization: `Bearer ${token}` } })).status;
    expect(await stats(await issuer.token('root', { role: 'admin' }))).toBe(200);
    expect(await stats(await issuer.token('bob'))).toBe(403);
  });
});
