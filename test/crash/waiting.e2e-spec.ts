import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { eventually } from '../support/deadline.js';

const ROOT = resolve(import.meta.dirname, '../..');

/**
 * An application that listens to `waiting` and sends to the users that it is given: `node --eval … FILE USER…`. It says
 * who was told, and of whom the store knows it. Its listener never ends for the user `stuck`.
 */
const HOST = `
  import 'reflect-metadata';
  import { NestFactory } from '@nestjs/core';
  import { getDataSourceToken } from '@nestjs/typeorm';
  import { ChatModule, ChatService, OnChatEvent } from './dist/index.js';

  const say = (line) => process.stdout.write(line + '\\n');
  class Listener {
    async onWaiting({ user }) {
      say('told ' + user);
      if (user === 'stuck') await new Promise(() => setInterval(() => undefined, 1000));
    }
  }
  OnChatEvent('waiting')(Listener.prototype, 'onWaiting', Object.getOwnPropertyDescriptor(Listener.prototype, 'onWaiting'));

  const [file, ...users] = process.argv.slice(1);
  const chat = ChatModule.forRoot({ database: 'sqlite:' + file, waitingAfterMs: 50 });
  const app = await NestFactory.createApplicationContext({ module: class App {}, imports: [chat], providers: [Listener] });
  for (const to of users) await app.get(ChatService).send({ from: 'shop', to, content: 'hello' });
  const known = new Set();
  for (;;) {
    for (const { recipient } of await app.get(getDataSourceToken('holdfast')).query('SELECT recipient FROM holdfast_notice'))
      if (!known.has(recipient)) say('noted ' + (known.add(recipient), recipient));
    await new Promise((next) => setTimeout(next, 10));
  }
`;

describe('who was told that something waits', () => {
  let folder: string;
  let host: ChildProcess | null = null;
  let lines: string[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-waiting-'));
  });
  afterEach(async () => {
    await kill();
    await rm(folder, { recursive: true, force: true });
  });

  function start(...users: string[]): void {
    lines = [];
    const program = ['--input-type=module', '--eval', HOST, '--', join(folder, 'chat.sqlite'), ...users];
    host = spawn(process.execPath, program, { cwd: ROOT, env: { PATH: process.env['PATH'], NO_COLOR: '1' } });
    host.stdout!.setEncoding('utf8').on('data', (text: string) => {
      lines.push(...text.split('\n').filter((line) => /^(told|noted) /.test(line)));
    });
  }

  async function kill(): Promise<void> {
    if (!host || host.exitCode !== null || host.signalCode !== null) return;
    host.kill('SIGKILL');
    await once(host, 'close'); // Not 'exit': what it has said is read by then.
  }

  const has = (...wanted: string[]) =>
    eventually(
      () => wanted.every((line) => lines.includes(line)),
      () => `${wanted.join(', ')}; there are ${lines.join(', ')}`,
      20_000,
    );

  it('is not told again after kill -9, and who was not told is told after it', async () => {
    start('bob', 'stuck');
    await has('noted bob', 'told stuck');
    await kill();
    start('carol');
    await has('told stuck', 'noted carol');
    await kill();
    expect(lines.filter((line) => line.startsWith('told')).toSorted()).toEqual(['told carol', 'told stuck']);
  });
});
