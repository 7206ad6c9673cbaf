import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { eventually } from '../../test/support/deadline.js';
import { fileStore } from '../src/file-store.js';
import type { FakeClient } from './terminal-client.js';
import { folder, lost, noServer, start } from './terminal-stage.js';

describe('with a pipe, the terminal client', () => {
  it('sends all lines, waits until each has its receipt, and ends with 0', async () => {
    const { client, stdin, ended, written } = await start();
    stdin.end('bob|one\n|two\nhello\n');
    client.online();
    client.caughtUp();
    await eventually(() => client.sent.length === 3);
    expect(client.sent.map(({ to, content }) => [to, content])).toEqual([
      ['bob', 'one'],
      ['bob', 'two'],
      [null, 'hello'],
    ]);
    client.settle(0, { status: 'delivered' });
    client.settle(1, { status: 'stored' });
    await turn();
    expect(client.calls).toEqual(['connect']);
    client.settle(2, { status: 'broadcast', recipients: 2 });
    expect(await ended).toBe(0);
    expect(client.calls).toEqual(['connect', 'close']);
    expect(written).toEqual({
      out: '',
      err: '✓✓ bob: one\n✓ bob: two (stored: waits for them)\n✓ all: hello (connections: 2)\n',
    });
  });

  it('prints what comes as one plain line each, with the time and who wrote it, and nothing else on its output', async () => {
    const { client, stdin, ended, written } = await start();
    client.online();
    await client.receive({ content: 'two\nlines \u001b[31m', from: 'b\u202eob' });
    await client.receive({ to: '*', content: 'all of you' });
    client.caughtUp();
    stdin.end();
    expect(await ended).toBe(0);
    expect(written.out).toBe(
      '2026-11-23T09:30:00.000Z b<U+202E>ob: two␊lines ␛[31m\n2026-11-23T09:30:00.000Z bob to all: all of you\n',
    );
  });

  it('fetches what waits before it ends, also without a line to send', async () => {
    const { client, stdin, ended } = await start();
    stdin.end();
    client.online();
    await turn();
    expect(client.calls).toEqual(['connect']);
    client.caughtUp();
    expect(await ended).toBe(0);
  });

  it('ends with 1 when something was refused, and says what and why', async () => {
    const { client, stdin, ended, written } = await start();
    client.online();
    client.caughtUp();
    stdin.end('bob|hi\n');
    await eventually(() => client.sent.length === 1);
    client.settle(0, { status: 'refused', code: 'NOT_ALLOWED', message: 'no \u001b[2J' });
    expect(await ended).toBe(1);
    expect(written.err).toBe('✗ bob: hi (refused: NOT_ALLOWED: no ␛[2J)\n');
  });

  it('ends with 1 when a line has no recipient', async () => {
    const { client, stdin, ended, written } = await start();
    client.online();
    client.caughtUp();
    stdin.end('|hi\n');
    expect(await ended).toBe(1);
    expect(written.err).toBe('✗ there is no last recipient yet; write NAME|TEXT\n');
  });

  it('ends with 1 and one line when no server is there', async () => {
    const { client, stdin, ended, written } = await start({ args: ['alice'] });
    stdin.end('bob|hi\n');
    await eventually(() => client.sent.length === 1);
    client.become(lost);
    client.become(noServer);
    expect(await ended).toBe(1);
    expect(written.err).toBe('there is no server at ws://127.0.0.1:3000/chat\nnot sent, kept for the next time: 1\n');
  });

  it('ends with 1 after five tries of which nobody knows why they fail', async () => {
    const { client, ended, written } = await start();
    for (let tries = 0; tries < 5; tries += 1) client.become(lost);
    expect(await ended).toBe(1);
    expect(written.err).toBe('ws://127.0.0.1:3000/chat: the connection was lost\n');
  });

  it.each([
    [
      { state: 'waiting', why: 'bad name', code: 400 },
      'ws://127.0.0.1:3000/chat refuses the connection: bad name (400)\n',
    ],
    [
      { state: 'stopped', why: 'replaced by a newer connection', code: 4409 },
      'ws://127.0.0.1:3000/chat: replaced by a newer connection\n',
    ],
  ] as const)('ends with 1 when the server does not want it: %j', async (change, text) => {
    const { client, ended, written } = await start();
    client.online();
    client.become(change);
    expect(await ended).toBe(1);
    expect(written.err).toBe(text);
  });

  it('goes on when the connection is lost, and says so once', async () => {
    const { client, stdin, ended, written } = await start();
    client.online();
    client.caughtUp();
    for (const change of [lost, noServer, lost, noServer]) client.become(change);
    client.online();
    stdin.end('bob|hi\n');
    await eventually(() => client.sent.length === 1);
    client.settle(0, { status: 'delivered' });
    expect(await ended).toBe(0);
    expect(written.err.split('\n')).toEqual([
      'ws://127.0.0.1:3000/chat: the connection was lost',
      'there is no server at ws://127.0.0.1:3000/chat',
      'online as alice',
      '✓✓ bob: hi',
      '',
    ]);
  });

  it('reads a long pipe no faster than receipts come', async () => {
    const { client, stdin, ended } = await start();
    client.online();
    client.caughtUp();
    stdin.end('bob|hi\n'.repeat(1_200));
    await eventually(() => client.sent.length === 500);
    for (let index = 0; index < 1_200; index += 1) {
      await eventually(() => client.sent.length > index);
      expect(client.sent.length - index).toBeLessThanOrEqual(500);
      client.settle(index, { status: 'stored' });
    }
    expect(await ended).toBe(0);
  });

  it('sends what an earlier run has left, and waits for that, too', async () => {
    const path = join(folder, 'own.log');
    const store = await fileStore(path);
    await store.append({ id: 'old', to: 'carol', content: 'still there', at: 0 });
    await store.close();
    const { client, stdin, ended, says } = await start({ args: ['alice', '--store', path] });
    await says('left from the last time, to be sent now: 1');
    client.online();
    client.receipt({ id: 'old', to: 'carol', status: 'delivered' });
    client.caughtUp();
    stdin.end();
    await says('✓✓ carol: still there');
    expect(await ended).toBe(0);
  });

  it('ends with 1 when another one of the same name has the store', async () => {
    await start({ args: ['alice'] });
    const second = await start({ args: ['alice'] });
    expect(await second.ended).toBe(1);
    expect(second.written.err).toMatch(
      /^holdfast-chat: .*\/holdfast\/alice@.*\.log: this process uses this store already\n$/,
    );
  });

  it('leaves unhandled what could not be printed, so that it comes again', async () => {
    const broken = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) });
    const { client, ended } = await start({ stdout: broken });
    client.online();
    let isHandled = false;
    void client.receive({}).then(() => (isHandled = true));
    expect(await ended).toBe(1);
    await turn();
    expect(isHandled).toBe(false);
  });

  it('says what fails in the store', async () => {
    const { client, says, written } = await start();
    client.fail(new Error('ENOSPC: no space \u001b[2J'));
    await says('ENOSPC');
    expect(written.err).toBe('store: Error: ENOSPC: no space ␛[2J\n');
  });
});

describe('the token of the terminal client', () => {
  const tokenOf = ({ client }: { client: FakeClient }) => client.options.token?.({ reason: 'connect' });

  it('comes from the environment', async () => {
    expect(await tokenOf(await start({ env: { HOLDFAST_TOKEN: 'secret' } }))).toBe('secret');
    expect(await tokenOf(await start())).toBeUndefined();
  });

  it('comes from a file, which is read anew each time', async () => {
    const path = join(folder, 'token');
    await writeFile(path, 'first\n');
    const started = await start({ args: ['alice', '--no-store', '--token-file', path] });
    expect(await tokenOf(started)).toBe('first');
    await writeFile(path, 'second\n');
    expect(await tokenOf(started)).toBe('second');
  });

  it('comes from the first line of a pipe, which is not sent', async () => {
    const started = await start({ args: ['alice', '--no-store', '--token-file', '-'], input: 'secret\nbob|hi\n' });
    expect(await tokenOf(started)).toBe('secret');
    await eventually(() => started.client.sent.length === 1);
    expect(started.client.sent[0]).toMatchObject({ to: 'bob', content: 'hi' });
  });
});

describe('a call of the terminal client', () => {
  it('lets messages wait as long as nobody reads the output', async () => {
    const { client } = await start();
    expect(client.options.handlerMs).toBe(Infinity);
  });

  it('that is wrong ends with 2 and says why', async () => {
    const { ended, written } = await start({ args: [] });
    expect(await ended).toBe(2);
    expect(written).toEqual({ out: '', err: 'holdfast-chat: give one name: who you are; --help says more\n' });
  });

  it('for help ends with 0', async () => {
    const { ended, written } = await start({ args: ['--help'] });
    expect(await ended).toBe(0);
    expect(written.out).toMatch(/^Usage: holdfast-chat NAME/);
  });
});
