import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { PostgresServer } from '../../test/support/postgres-server.js';
import { freePort } from '../peers/free-port.js';
import { on } from './cores.js';

/** Redis, Postgres or both, for the processes of one chat: what carries their messages, and their store. */
export class Bus {
  private constructor(
    private readonly redis: ChildProcess | null,
    private readonly postgres: PostgresServer | null,
    /** The process that carries messages; null where none does. */
    readonly pid: number | null,
    /** What the processes of the chat are given. */
    readonly env: NodeJS.ProcessEnv,
  ) {}

  /** Starts what carries messages, in a folder, and a Postgres for the store if they have one. */
  static async start(bus: 'redis' | 'postgres' | null, hasStore: boolean, folder: string): Promise<Bus> {
    const postgres = hasStore ? await PostgresServer.start() : null;
    try {
      const env: NodeJS.ProcessEnv = bus && hasStore ? { CHAT_CLUSTER: '1' } : {};
      if (postgres) env['DATABASE_URL'] = await postgres.createDatabase();
      if (bus !== 'redis') return new Bus(null, postgres, bus && postgres!.pid, env);
      const port = await freePort();
      const redis = await startRedis(port, folder);
      return new Bus(redis, postgres, redis.pid!, { ...env, CHAT_BUS_URL: `redis://127.0.0.1:${port}` });
    } catch (error) {
      await postgres?.dispose();
      throw error;
    }
  }

  async stop(): Promise<void> {
    if (this.redis) {
      const ended = once(this.redis, 'close');
      this.redis.kill('SIGKILL');
      await ended;
    }
    await this.postgres?.dispose();
  }
}

/** It stores nothing. */
function startRedis(port: number, folder: string): Promise<ChildProcess> {
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  const [name, args] = on('server', ['redis-server', ...settings]);
  const child = spawn(name, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (/ready to accept connections/i.test(line)) resolve(child);
    });
    child.once('error', () => reject(new Error('there is no Redis to measure with')));
    child.once('exit', () => reject(new Error('Redis ended')));
  });
}
