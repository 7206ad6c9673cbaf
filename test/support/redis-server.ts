import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { withDeadline } from './deadline.js';

/** A Redis for the tests, in its own folder, on a socket in it. It stores nothing. */
export class RedisServer {
  private child: ChildProcess | null = null;

  private constructor(private readonly folder: string) {}

  static async start(...settings: string[]): Promise<RedisServer> {
    const server = new RedisServer(await mkdtemp(join(tmpdir(), 'holdfast-redis-')));
    await server.run(...settings);
    return server;
  }

  /** Starts it, also again. */
  async run(...settings: string[]): Promise<void> {
    const own = ['--port', '0', '--unixsocket', this.socket, '--save', '', '--dir', this.folder];
    const child = spawn('redis-server', [...own, ...settings], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.child = child;
    const log: string[] = [];
    const ready = new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        log.push(line);
        if (line.includes('ready to accept connections')) resolve();
      });
      child.once('error', () => reject(new Error('there is no Redis to test with; run scripts/install-test-tools.sh')));
      child.once('exit', () => reject(new Error(`Redis ended: ${log.join('\n')}`)));
    });
    await withDeadline(ready, () => `Redis is ready; it said ${log.join('\n')}`, 20_000);
  }

  /** Stops it like a crash; `run` starts it again. */
  async kill(): Promise<void> {
    const { child } = this;
    if (!child) return;
    this.child = null;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await withDeadline(ended, () => 'Redis ends');
  }

  /** Lets it stand still. */
  freeze(): void {
    this.child!.kill('SIGSTOP');
  }

  thaw(): void {
    this.child!.kill('SIGCONT');
  }

  /** Runs one command on its own connection, as another program would. */
  async call(command: string, ...args: (string | Buffer)[]): Promise<unknown> {
    const client = new Redis(this.socket);
    try {
      return await client.call(command, ...args);
    } finally {
      client.disconnect();
    }
  }

  async dispose(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Where it listens. */
  get socket(): string {
    return join(this.folder, 'redis.sock');
  }
}
