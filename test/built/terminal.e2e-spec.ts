import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/deadline.js';
import { ServerProcess } from '../support/server-process.js';
import { TerminalProcess } from '../support/terminal-process.js';
import { TestClient } from '../support/test-client.js';

/** Runs a command line at a terminal of its own. */
const AT_A_TERMINAL = ['script', '-qefc'];

let shared: ServerProcess;
let sharedFolder: string;
beforeAll(async () => {
  sharedFolder = await mkdtemp(join(tmpdir(), 'holdfast-terminal-'));
  shared = await startServer(sharedFolder);
});
afterAll(async () => {
  await shared.kill();
  await rm(sharedFolder, { recursive: true, force: true });
});

let folder: string;
let running: { kill(): Promise<unknown> }[];
let silence: Server | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-terminal-'));
  running = [];
});
afterEach(async () => {
  await Promise.all(running.map((each) => each.kill()));
  silence?.close();
  silence = undefined;
  await rm(folder, { recursive: true, force: true });
});

function startServer(where: string, env: NodeJS.ProcessEnv = {}): Promise<ServerProcess> {
  return ServerProcess.start({ DATABASE_URL: `sqlite:${join(where, 'holdfast.sqlite')}`, ...env });
}

/** A server for one test. */
async function ownServer(env: NodeJS.ProcessEnv = {}): Promise<ServerProcess> {
  const server = await startServer(folder, env);
  running.push(server);
  return server;
}

/** Where somebody accepts connections and never says a word. */
async function addressOfSilence(): Promise<string> {
  silence = createServer((socket) => socket.on('error', () => undefined).resume());
  await once(silence.listen(0, '127.0.0.1'), 'listening');
  return `ws://127.0.0.1:${(silence.address() as AddressInfo).port}/chat`;
}

interface Start {
  readonly url?: string;
  readonly args?: readonly string[];
  /** The command that runs it. */
  readonly at?: readonly string[];
}

function chat(user: string, { url = shared.socketUrl, args = [], at = [] }: Start = {}): TerminalProcess {
  const store = args.includes('--no-store') ? [] : ['--store', join(folder, `${user}.log`)];
  const terminal = new TerminalProcess([user, ...store, ...args], { HOLDFAST_URL: url }, at);
  running.push(terminal);
  return terminal;
}

describe('the terminal client', () => {
  it('leaves a message through a pipe, which somebody reads later, and tells a sender who is there then', async () => {
    const writer = chat('alice');
    writer.end('bob|see you at noon\n');
    expect(await writer.exit()).toBe(0);
    expect([writer.stdout, writer.stderr]).toEqual(['', '✓ bob: see you at noon (stored: waits for them)\n']);
    const sender = chat('carol', { at: AT_A_TERMINAL });
    await sender.says('carol> ');
    sender.write('bob|and me\r');
    await sender.says('✓ bob: and me');

    const reader = chat('bob');
    await reader.says('carol: and me');
    expect(reader.stdout).toMatch(/^\d{4}-[\dT:.-]+Z alice: see you at noon\n\d{4}-[\dT:.-]+Z carol: and me\n$/);
    await sender.says('✓✓ bob: and me');
    reader.end();
    expect(await reader.exit()).toBe(0);
    sender.write('\u0004');
    expect(await sender.exit()).toBe(0);
  });

  it('keeps what was written without a server, over its end and over kill -9, and sends it once and in order', async () => {
    const first = chat('alice', { url: 'ws://127.0.0.1:9/chat' });
    first.end('bob|1\nbob|2\n');
    expect(await first.exit()).toBe(1);
    expect(first.stderr).toBe('there is no server at ws://127.0.0.1:9/chat\nnot sent, kept for the next time: 2\n');
    const second = chat('alice', { url: await addressOfSilence() });
    second.write('bob|3\n');
    await eventually(async () => (await readFile(join(folder, 'alice.log'), 'utf8')).includes('"content":"3"'));
    expect(await second.kill()).toBeNull();

    const server = await ownServer();
    const third = chat('alice', { url: server.socketUrl });
    third.end('bob|4\n');
    expect(await third.exit()).toBe(0);
    const bob = await TestClient.open(`${server.socketUrl}?user=bob`);
    const contents = (await bob.take(4)).map((text) => text.replace(/^.*Z:/, ''));
    expect(contents).toEqual(['1', '2', '3', '4']);
    await bob.expectNothingElse('bob');
    await bob.close();
  });

  it('comes back when the server does, and sends what was written meanwhile', async () => {
    const server = await ownServer();
    const { port } = new URL(server.url);
    const alice = chat('alice', { url: server.socketUrl, at: AT_A_TERMINAL });
    await alice.says('online as alice');
    await server.stop();
    await alice.says('offline, next try in');
    alice.write('alice|to myself\r');
    await alice.says('to send: 1)> ');
    await ownServer({ PORT: port });
    await alice.says('alice: to myself');
    await alice.says('✓✓ alice: to myself');
    alice.write('/quit\r');
    expect(await alice.exit()).toBe(0);
  });

  it('never lets a message command the terminal', async () => {
    const bob = chat('bob', { at: AT_A_TERMINAL });
    await bob.says('online as bob');
    const before = bob.stdout.length;
    const mallory = chat('mallory');
    mallory.end('bob|\u001b]52;c;aGk=\u0007\u001b[2J\u009b31m\u202e end\n');
    expect(await mallory.exit()).toBe(0);
    await bob.says('end');
    const [line] = bob.stdout.slice(before).split('\r\n');
    // The program may still write its prompt, and moves to the beginning of its own line; the rest is what it shows.
    // eslint-disable-next-line no-control-regex
    expect(line!.replace(/^(bob> |\u001b\[\d*[GJ])+/, '')).toMatch(
      /^\d\d:\d\d mallory: ␛\]52;c;aGk=␇␛\[2J<U\+009B>31m<U\+202E> end$/,
    );
  });

  it('ends with 1 when a newer connection of its user replaces it, and with 0 at SIGTERM', async () => {
    const first = chat('alice');
    await eventually(async () => {
      const response = await fetch(`${shared.url}/chat/users/alice`);
      return ((await response.json()) as { online: boolean }).online;
    });
    const second = chat('alice', { args: ['--no-store'] });
    expect(await first.exit()).toBe(1);
    expect(first.stderr).toContain('replaced by a newer connection');
    second.write('alice|am I there?\n');
    await second.says('alice: am I there?');
    expect(await second.kill('SIGTERM')).toBe(0);
  });

  it('says why its token is refused, and never shows it', async () => {
    const server = await ownServer({
      CHAT_AUTH: 'jwt',
      CHAT_JWT_SECRET: 'x'.repeat(32),
      CHAT_JWT_ISSUER: 'a',
      CHAT_JWT_AUDIENCE: 'b',
    });
    const path = join(folder, 'token');
    await writeFile(path, 'no-such-token\n');
    const alice = chat('alice', { url: server.socketUrl, args: ['--token-file', path] });
    expect(await alice.exit()).toBe(1);
    expect(alice.stderr).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/chat refuses the connection: .* \(401\)\n$/);
    expect(alice.stdout + alice.stderr).not.toContain('no-such-token');
  });

  it('is refused with 1 under a name that cannot be', async () => {
    const nobody = chat('a|b', { args: ['--no-store'] });
    expect(await nobody.exit()).toBe(1);
    expect(nobody.stderr).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/chat refuses the connection: .* \(400\)\n$/);
  });
});
