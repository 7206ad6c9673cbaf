import { join } from 'node:path';
import type { LedgerTotals } from '../../src/delivery/ledger.js';
import { UNCAPPED } from './crash-server.js';
import { eventually } from './deadline.js';
import { ClusterNode, PATIENCE_MS } from './cluster-process.js';
import type { Random } from './crash-random.js';
import { PostgresProxy } from './postgres-proxy.js';
import { PostgresServer } from './postgres-server.js';
import { RedisServer } from './redis-server.js';

/** Loaded into each node: a clock that is wrong, and what a node says of itself at a signal. */
const PRELOADED = ['shift-clock.mjs', 'tell-state.mjs']
  .map((name) => `--import ${join(import.meta.dirname, name)}`)
  .join(' ');
/** How long the nodes have to say how they are, in milliseconds. */
const TELL_MS = 1_000;
/** What each session of the nodes does or waits for. */
const SESSIONS = `SELECT pid, application_name, state, wait_event_type, wait_event, left(query, 100) AS query,
  pg_blocking_pids(pid) AS blockers FROM pg_stat_activity WHERE datname LIKE 'db%'`;

interface Stats {
  readonly messages: LedgerTotals;
  readonly nodes?: readonly { readonly id: number; readonly messages: LedgerTotals }[];
  readonly missing?: readonly number[];
}

/** An engine beside the nodes that can fail, such as Redis. */
export interface Engine {
  /** Where it listens. */
  readonly socket: string;
  run(): Promise<void>;
  stop(): Promise<void>;
  /** Suspends it, as SIGSTOP does. */
  freeze(): void;
  thaw(): void;
  empty(): Promise<void>;
  dispose(): Promise<void>;
}

export async function startRedis(): Promise<Engine> {
  const redis = await RedisServer.start();
  return {
    socket: redis.socket,
    run: () => redis.run(),
    stop: () => redis.kill(),
    freeze: () => redis.freeze(),
    thaw: () => redis.thaw(),
    empty: async () => void (await redis.call('FLUSHALL')),
    dispose: () => redis.dispose(),
  };
}

/** What a cluster of a test is made of. */
export interface ClusterOptions {
  readonly nodes: number;
  /** Starts Redis for the bus; otherwise the bus is Postgres. */
  readonly redis?: () => Promise<Engine>;
  readonly env?: NodeJS.ProcessEnv;
  /** How far the clock of each node is from that of the node before it, in milliseconds. */
  readonly clocksApartMs?: number;
}

/**
 * Nodes of the built server, each in a process of its own, on one Postgres. One node alone is a single server, without
 * a cluster: what holds for it has to hold for the cluster.
 */
export class Cluster {
  private constructor(
    readonly postgres: PostgresServer,
    readonly redis: Engine | null,
    readonly nodes: readonly ClusterNode[],
    readonly databaseUrl: string,
  ) {}

  static async start({ nodes, redis, env = {}, clocksApartMs = 0 }: ClusterOptions): Promise<Cluster> {
    const postgres = await PostgresServer.start();
    let engine: Engine | null = null;
    const made: ClusterNode[] = [];
    try {
      const databaseUrl = await postgres.createDatabase();
      const database = /\w+(?=\?)/.exec(databaseUrl)![0];
      engine = (await redis?.()) ?? null;
      for (let index = 0; index < nodes; index += 1) {
        const network = {
          postgres: await PostgresProxy.start(postgres.socket),
          redis: engine && (await PostgresProxy.start(engine.socket)),
        };
        const own: NodeJS.ProcessEnv = { NODE_OPTIONS: PRELOADED, CLOCK_SHIFT_MS: String(index * clocksApartMs) };
        if (nodes > 1) own['CHAT_CLUSTER'] = '1';
        if (network.redis) own['CHAT_BUS_URL'] = `redis://127.0.0.1:${network.redis.port}`;
        const DATABASE_URL = postgres.url(database, network.postgres);
        const all = { ...UNCAPPED, CHAT_ACK_WINDOW: '32', ...own, ...env, DATABASE_URL };
        made.push(new ClusterNode(`node-${index + 1}`, network, all));
      }
      const started = new Cluster(postgres, engine, made, databaseUrl);
      // One after the other: the first makes the tables.
      for (const node of made) await node.start();
      return started;
    } catch (error) {
      for (const node of made) await node.dispose();
      await engine?.dispose();
      await postgres.dispose();
      throw error;
    }
  }

  get running(): readonly ClusterNode[] {
    return this.nodes.filter(({ state }) => state === 'running');
  }

  /** The address of one of the nodes that can be reached, as a load balancer gives it; null if there is none. */
  address(random: Random): string | null {
    const { running } = this;
    return running.length === 0 ? null : random.pick(running).socketUrl;
  }

  /** Whether this is the address of a process that runs. */
  isThere(address: string): boolean {
    return this.running.some(({ socketUrl }) => socketUrl === address);
  }

  /** Everything runs again, and every node is ready. */
  async heal(): Promise<void> {
    this.redis?.thaw();
    await this.postgres.thaw();
    for (const node of this.nodes) {
      node.thaw();
      if (node.state === 'down') await node.start();
    }
    await Promise.all(this.nodes.map((node) => this.ready(node)));
  }

  /** Returns the books of each node. They balance, or this rejects. */
  async books(): Promise<readonly LedgerTotals[]> {
    const [first, ...others] = await Promise.all(this.running.map((node) => ask<Stats>(node, '/chat/stats')));
    if (first!.missing && first!.missing.length > 0) throw new Error(`nodes are missing: ${first!.missing.join()}`);
    const all = first!.nodes?.map(({ messages }) => messages) ?? [first!, ...others].map(({ messages }) => messages);
    for (const books of all) {
      const { accepted, confirmed, pending, inFlight, expired, purged, evicted, replaced, handedOver } = books;
      const ends = confirmed + pending + inFlight + expired + purged + evicted + replaced + handedOver;
      if (accepted !== ends) throw new Error(`the books of a node do not balance: ${JSON.stringify(books)}`);
    }
    return all;
  }

  /** The user of each open connection of the cluster. */
  async connectedUsers(): Promise<readonly string[]> {
    const users = new Map<string, string>();
    for (const node of this.running) {
      const { items } = await ask<{ items: { id: string; user: string }[] }>(node, '/chat/connections?limit=1000');
      for (const { id, user } of items) users.set(id, user);
    }
    return [...users.values()];
  }

  /** The sum of a metric over all nodes, in all its labels; 0 if no node has it. */
  async metric(name: string): Promise<number> {
    const texts = await Promise.all(this.running.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()));
    const values = texts.flatMap((text) => [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (.+)$`, 'gm'))]);
    return values.reduce((sum, [, value]) => sum + Number(value), 0);
  }

  /** What the nodes say of themselves now, and what they have written, for whoever looks for a fault. */
  async report(): Promise<string> {
    const told = this.running.map(async (node) => {
      const stats = await ask(node, '/chat/stats').catch(String);
      const metrics = await fetch(`${node.url}/metrics`).then((response) => response.text(), String);
      const lines = metrics.split('\n').filter((line) => /^holdfast_(cluster|store_healthy|refusals)/.test(line));
      return `== ${node.name} ==\n${JSON.stringify(stats)}\n${lines.join('\n')}`;
    });
    const all = await Promise.all(told);
    const sessions = await this.postgres.query(SESSIONS).catch((error: unknown) => [String(error)]);
    for (const node of this.running) node.tell();
    await new Promise((resolve) => setTimeout(resolve, TELL_MS));
    return [...all, '== sessions ==', ...sessions.map((row) => JSON.stringify(row)), this.logs].join('\n');
  }

  /** What all nodes have written. */
  get logs(): string {
    return this.nodes.map(({ name, log }) => `== ${name} ==\n${log}`).join('\n');
  }

  async dispose(): Promise<void> {
    for (const node of this.nodes) await node.dispose();
    await this.redis?.dispose();
    await this.postgres.dispose();
  }

  async ready(node: ClusterNode): Promise<void> {
    const isReady = async () => (await fetch(`${node.url}/health/ready`)).ok;
    await eventually(isReady, () => `${node.name} is ready; it wrote ${node.log}`, PATIENCE_MS);
  }
}

async function ask<Answer>({ url }: ClusterNode, path: string): Promise<Answer> {
  const response = await fetch(`${url}${path}`);
  if (response.status !== 200) throw new Error(`${path} answered ${response.status} ${await response.text()}`);
  return (await response.json()) as Answer;
}
