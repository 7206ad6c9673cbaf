import { SignJWT } from 'jose';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withDeadline } from '../support/deadline.js';
import { Issuer } from '../support/issuer.js';
import { RawClient } from '../support/raw-client.js';
import { ServerProcess } from '../support/server-process.js';
import { TestClient } from '../support/test-client.js';

const SECRET = 'jwt-secret-of-forty-characters-xxxxxxxxx';
const ADMIN_TOKEN = 'admin-token-of-the-test';
/** Every hostile text has it. Where it is found, something came through. */
const MARK = 'INTRUDER';
const FORGED_JSON = `{"level":"fatal","pid":1,"timestamp":1,"message":"${MARK}","context":"Audit"}`;
const FORGED_TEXT = `[Nest] 1  - 11/23/2026, 9:30:00 AM   FATAL [Audit] ${MARK}`;

/** Characters that begin or end a line, or move the cursor, for a reader of logs. */
const BREAKS = [
  '\r\n',
  '\n',
  '\r',
  '\u001b[2J\u001b[31m',
  '\u0000',
  '\u0007\b',
  '\u007f',
  '\u0085',
  '\u009b31m',
  '\u2028',
];
const HOSTILE = BREAKS.flatMap((each) => [`x${each}${FORGED_JSON}${each}x`, `x${each}${FORGED_TEXT}`]);
/** Names that are accepted. They belong in the log, as text. */
const NAMES = [
  FORGED_JSON,
  FORGED_TEXT.replace(/ +/g, ' '),
  `"}\\n${MARK}`,
  '\\u001b[31m',
  '${jndi:ldap://x}',
  '%0a%1b',
];

let folder: string;
let server: ServerProcess;
let secrets: string[];

function sign(user: string, role?: string): Promise<string> {
  const key = new TextEncoder().encode(SECRET);
  return new SignJWT(Issuer.claims(user, role ? { role } : {})).setProtectedHeader({ alg: 'HS256' }).sign(key);
}

/** Keeps a token in mind that must not be found in the log. */
function secret(token: string): string {
  secrets.push(token);
  return token;
}

/** The number of calls that must be in the log: those that change something, from callers who may. */
async function call(method: string, path: string, token: string, body?: string): Promise<number> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const response = await fetch(`${server.url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
  await response.text();
  return response.status;
}

/** Writes bytes that a normal client never sends, and waits until the server has closed the connection. */
async function raw(bytes: string): Promise<void> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => undefined); // 'close' follows.
  socket.resume().end(bytes);
  await withDeadline(ended, () => `the end after ${JSON.stringify(bytes.slice(0, 100))}`);
}

const handshake = (path: string, headers: Record<string, string>) => RawClient.handshake(path, headers).toString();

async function tryEveryHandshake(token: string): Promise<void> {
  for (const hostile of HOSTILE) {
    const part = encodeURIComponent(hostile);
    for (const path of [`/chat?user=${part}`, `/chat?ticket=${part}`, `/${part}`, `/chat?${part}`]) {
      await raw(handshake(path, { Authorization: `Bearer ${token}` }));
      await raw(handshake(path, {}));
    }
    await expect(TestClient.open(server.socketUrl, ['chat', `bearer.${await sign(hostile)}`])).rejects.toThrow('403');
    for (const name of ['User-Agent', 'Origin', 'X-Forwarded-For', 'Sec-WebSocket-Protocol', 'Authorization', 'Cookie'])
      await raw(handshake('/chat', { [name]: `${token} ${hostile}` }));
    await raw(`GET /${hostile}?token=${token} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    await raw(`${hostile}\r\n\r\n`);
  }
  for (const name of ['token', 'access_token', 'ticket', 'user']) await raw(handshake(`/chat?${name}=${token}`, {}));
  await raw(handshake('/chat', { 'X-Large': MARK.repeat(100_000) }));
  await raw(handshake(`/chat?user=${MARK.repeat(100_000)}`, {}));
}

async function tryEveryFrame(token: string): Promise<void> {
  const json = await TestClient.open(server.socketUrl, ['chat.v1.json', `bearer.${token}`]);
  await json.until('caught-up');
  for (const hostile of HOSTILE) {
    for (const frame of [
      hostile,
      JSON.stringify(hostile),
      JSON.stringify({ event: hostile, data: { id: hostile } }),
      JSON.stringify({ event: 'send', data: { to: hostile, content: MARK } }),
      JSON.stringify({ event: 'send', data: { to: 'bob', content: MARK, id: hostile } }),
    ]) {
      json.send(frame);
      await json.until('exception');
    }
    json.sendJson('send', { to: 'bob', content: hostile });
    await json.until('receipts');
  }
  await json.drop();
  const text = await TestClient.open(server.socketUrl, ['chat', `bearer.${token}`]);
  for (const hostile of HOSTILE) {
    text.send(`${hostile}|${MARK}`);
    expect(await text.next()).toMatch(/^error: BAD_RECIPIENT: /);
    text.send(hostile);
    expect(await text.next()).toBe(hostile);
  }
  await text.drop();
}

/** Makes every call in a hostile way; returns how many of them must be in the log. */
async function tryEveryCall(user: string): Promise<number> {
  let audited = 0;
  const make = async (statuses: readonly number[], ...[method, path, token, body]: Parameters<typeof call>) => {
    if (method !== 'GET' || path.startsWith('/chat/pending/')) audited += 1;
    expect([path, statuses]).toEqual([path, expect.arrayContaining([await call(method, path, token, body)])]);
  };
  for (const hostile of HOSTILE) {
    const part = encodeURIComponent(hostile);
    const many = Object.fromEntries(['from', 'to', 'user', 'id', 'broadcast', 'content', 'x'].map((n) => [n, hostile]));
    for (const path of [`/${part}`, `/chat/${part}`, `/chat/users/${part}`, `/chat/pending/${part}`])
      await make([400, 404], 'GET', path, ADMIN_TOKEN);
    for (const list of ['connections', 'pending']) {
      await make([400], 'GET', `/chat/${list}?limit=${part}`, ADMIN_TOKEN);
      await make([400], 'GET', `/chat/${list}?cursor=${part}`, ADMIN_TOKEN);
    }
    for (const path of [`connections/${part}`, `users/${part}/connections`, `pending/${part}`, `pending/bob/a/${part}`])
      await make([400, 404], 'DELETE', `/chat/${path}`, ADMIN_TOKEN, JSON.stringify(many));
    await make([400], 'POST', '/chat/messages', ADMIN_TOKEN, JSON.stringify(many));
    await make([400], 'POST', '/chat/tickets', ADMIN_TOKEN, JSON.stringify(many));
    // A call does not check what it does not ask for, and everybody with a token may make this one.
    const unasked = JSON.stringify({ ...many, user: undefined, [hostile]: hostile });
    await make([201, 429], 'POST', '/chat/tickets', user, unasked);
    await make([200], 'DELETE', '/chat/pending/nobody', ADMIN_TOKEN, JSON.stringify(many));
    const message = { from: ' alice\r\n', to: '\nbob\u2028', content: hostile, [hostile]: hostile, user: hostile };
    await make([201], 'POST', '/chat/messages', ADMIN_TOKEN, JSON.stringify(message));
  }
  for (const name of NAMES) {
    const message = { from: name, to: name, content: MARK };
    await make([201], 'POST', '/chat/messages', ADMIN_TOKEN, JSON.stringify(message));
    await make([200], 'DELETE', `/chat/pending/${encodeURIComponent(name)}`, ADMIN_TOKEN);
    await make([201], 'POST', '/chat/tickets', secret(await sign(name)));
    await make([403], 'POST', '/chat/tickets', secret(await sign(name)), JSON.stringify({ user: 'bob' }));
  }
  return audited;
}

describe.each(['json', 'text'] as const)('hostile text and the log, LOG_FORMAT=%s', (format) => {
  let lines: string[];
  let audited: number;
  let exitCode: number | null;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-logs-'));
    secrets = [SECRET, ADMIN_TOKEN];
    server = await ServerProcess.start({
      DATABASE_URL: `sqlite:${join(folder, 'holdfast.sqlite')}`,
      LOG_FORMAT: format,
      CHAT_AUTH: 'jwt',
      CHAT_JWT_SECRET: SECRET,
      CHAT_JWT_ISSUER: Issuer.ISSUER,
      CHAT_JWT_AUDIENCE: Issuer.AUDIENCE,
      CHAT_ADMIN_TOKEN: ADMIN_TOKEN,
    });
    try {
      const alice = secret(await sign('alice'));
      await tryEveryHandshake(alice);
      await tryEveryFrame(alice);
      audited = await tryEveryCall(alice);
      const response = await fetch(`${server.url}/chat/tickets`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${secret(await sign('carol'))}` },
      });
      audited += 1;
      const { ticket } = (await response.json()) as { ticket: string };
      await (await TestClient.open(`${server.socketUrl}?ticket=${secret(ticket)}`)).close();
    } finally {
      exitCode = await server.stop();
      await rm(folder, { recursive: true, force: true });
    }
    lines = server.written.split('\n').slice(0, -1);
  });

  /** What a line says, without its head. */
  const messageOf = (line: string) =>
    format === 'json'
      ? (JSON.parse(line) as { message: string }).message
      : line.replace(/^.*? (LOG|WARN) \[\w+\] /, '');

  it('are one line to an event, and every line has the shape of ours', () => {
    const shape =
      /^\[Nest\] \d+ +- \d+\/\d+\/\d+, \d+:\d+:\d+ [AP]M +(LOG \[(Holdfast|Audit)|WARN \[Authentication)\] /;
    for (const line of lines) {
      if (format === 'text') expect(line).toMatch(shape);
      else
        expect(JSON.parse(line)).toEqual({
          level: expect.stringMatching(/^(log|warn)$/),
          pid: server.pid,
          timestamp: expect.any(Number),
          message: expect.any(String),
          context: expect.stringMatching(/^(Holdfast|Audit|Authentication)$/),
        });
    }
    expect(exitCode).toBe(0);
    const messages = lines.map(messageOf);
    expect(messages[0]).toMatch(/^listening on/);
    expect(messages.at(-1)).toMatch(/^SIGTERM: /);
    const between = messages
      .slice(1, -1)
      .filter((each) => !each.startsWith('A valid token has no name in its claim "sub"'));
    expect(messages.length - between.length).toBe(3); // However many such tokens there were.
    expect(between.filter((each) => !/^(the administrator token|user ".*") from 127\.0\.0\.1: /.test(each))).toEqual(
      [],
    );
    expect(between).toHaveLength(audited);
  });

  it('are without a character that controls', () => {
    expect(lines.filter((line) => /[\p{Cc}\p{Zl}\p{Zp}]/u.test(line))).toEqual([]);
  });

  it('are without a token, a ticket or a content, and with a name only where it was taken', () => {
    const text = lines.join('\n');
    for (const each of secrets) {
      expect(text).not.toContain(each);
      expect(text).not.toContain(each.split('.').at(-1));
    }
    const named = lines.map(messageOf).filter((message) => message.includes(MARK));
    const names = NAMES.filter((name) => name.includes(MARK)).map((name) => JSON.stringify(name));
    expect(named.filter((message) => !names.some((name) => message.includes(name)))).toEqual([]);
    expect(named).toHaveLength(names.length * 4);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(1_000);
  });
});
