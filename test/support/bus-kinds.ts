import { createHash } from 'node:crypto';
import type { Bus } from '../../src/cluster/bus.js';
import { PostgresBus } from '../../src/cluster/postgres-bus.js';
import { RedisBus } from '../../src/cluster/redis-bus.js';
import type { Clock } from '../../src/options/clock.js';
import { FakeEngine } from './fake-bus.js';
import { PostgresServer } from './postgres-server.js';
import { PostgresProxy } from './postgres-proxy.js';
import { RedisServer } from './redis-server.js';

/** One kind of engine for a bus, for suites that hold on all of them. */
export interface BusKind {
  /** A new bus of a cluster, over this engine or over a network in front of it. */
  connect(cluster: string, clock: Clock, via?: PostgresProxy): Promise<Bus>;
  /** Publishes to a node as a stranger can. */
  intrude(cluster: string, node: number, packet: Buffer): Promise<void>;
  /** A network in front of the engine, which can fall silent. */
  network(): Promise<PostgresProxy>;
  /** Ends the engine like a crash. */
  kill(): Promise<void>;
  /** Starts it again. */
  run(): Promise<void>;
  /** Lets the engine stand still, with all its sessions. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Ends all sessions that listen. */
  disconnectAll(): Promise<void>;
  /** Empties it of everything that it may forget. */
  empty(): Promise<void>;
  dispose(): Promise<void>;
}

class RedisKind implements BusKind {
  private constructor(private readonly server: RedisServer) {}

  static async start(): Promise<BusKind> {
    return new RedisKind(await RedisServer.start());
  }

  connect(cluster: string, clock: Clock, via?: PostgresProxy): Promise<Bus> {
    return RedisBus.create(via ? `redis://127.0.0.1:${via.port}` : this.server.socket, cluster, clock);
  }

  async intrude(cluster: string, node: number, packet: Buffer): Promise<void> {
    await this.server.call('PUBLISH', `holdfast:${cluster}:${node}`, packet);
  }

  network(): Promise<PostgresProxy> {
    return PostgresProxy.start(this.server.socket);
  }

  kill(): Promise<void> {
    return this.server.kill();
  }

  run(): Promise<void> {
    return this.server.run();
  }

  async freeze(): Promise<void> {
    this.server.freeze();
  }

  async thaw(): Promise<void> {
    this.server.thaw();
  }

  async disconnectAll(): Promise<void> {
    await this.server.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  }

  async empty(): Promise<void> {
    await this.server.call('FLUSHALL');
    await this.server.call('SCRIPT', 'FLUSH');
  }

  dispose(): Promise<void> {
    return this.server.dispose();
  }
}

class PostgresKind implements BusKind {
  private frozen: number[] = [];

  private constructor(private readonly server: PostgresServer) {}

  static async start(): Promise<BusKind> {
    return new PostgresKind(await PostgresServer.start());
  }

  async connect(cluster: string, clock: Clock, via?: PostgresProxy): Promise<Bus> {
    return new PostgresBus({ type: 'postgres', url: this.server.url('postgres', via) }, cluster, clock);
  }

  async intrude(cluster: string, node: number, packet: Buffer): Promise<void> {
    const name = createHash('sha256').update(cluster).digest('hex').slice(0, 32);
    await this.server.query(`SELECT pg_notify('holdfast_${name}_${node}', '${packet.toString('base64')}')`);
  }

  network(): Promise<PostgresProxy> {
    return PostgresProxy.start(this.server.socket);
  }

  kill(): Promise<void> {
    return this.server.stop('SIGQUIT');
  }

  run(): Promise<void> {
    return this.server.run();
  }

  async freeze(): Promise<void> {
    this.frozen = (await this.server.query('SELECT pid FROM pg_stat_activity')).map(({ pid }) => Number(pid));
    // The one of this query has ended.
    for (const pid of this.frozen) trySignal(pid, 'SIGSTOP');
  }

  async thaw(): Promise<void> {
    for (const pid of this.frozen.splice(0)) trySignal(pid, 'SIGCONT');
  }

  async disconnectAll(): Promise<void> {
    await this.server.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast bus'`,
    );
  }

  async empty(): Promise<void> {
    await this.server.query('DISCARD ALL');
  }

  dispose(): Promise<void> {
    return this.server.dispose();
  }
}

function trySignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** In memory, to prove that what the other suites build on is like the others. Nothing happens to it. */
class MemoryKind implements Pick<BusKind, 'connect' | 'intrude' | 'dispose'> {
  private readonly engines = new Map<string, FakeEngine>();

  async connect(cluster: string): Promise<Bus> {
    return this.engineOf(cluster).connect(6_000);
  }

  async intrude(cluster: string, node: number, packet: Buffer): Promise<void> {
    this.engineOf(cluster).publish(node, packet);
  }

  async dispose(): Promise<void> {
    this.engines.clear();
  }

  private engineOf(cluster: string): FakeEngine {
    const engine = this.engines.get(cluster) ?? new FakeEngine();
    this.engines.set(cluster, engine);
    return engine;
  }
}

/** The engines that operators have, by name. */
export const ENGINES: readonly (readonly [string, () => Promise<BusKind>])[] = [
  ['Redis', () => RedisKind.start()],
  ['Postgres', () => PostgresKind.start()],
];

/** All kinds of bus, by name. */
export const BUS_KINDS: readonly (readonly [
  string,
  () => Promise<Pick<BusKind, 'connect' | 'intrude' | 'dispose'>>,
])[] = [['memory', async () => new MemoryKind()], ...ENGINES];
