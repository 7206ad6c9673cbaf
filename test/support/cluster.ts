import type { LedgerTotals } from '../../src/delivery/ledger.js';
import { UNCAPPED } from './crash-server.js';
import { eventually } from './deadline.js';
import type { Random } from './crash-random.js';
import { PostgresProxy } from './postgres-proxy.js';
import { PostgresServer } from './postgres-server.js';
import { RedisServer } from './redis-server.js';
import { ServerProcess } from './server-process.js';

interface Stats {
  readonly messages: LedgerTotals;
  readonly nodes?: readonly { readonly id: number; readonly messages: LedgerTotals }[];
  readonly missing?: readonly number[];
}

/** An engine beside the nodes that can fail, such as Redis. */
export interface Engine {
  readonly url: string;
  run(): Promise<void>;
  stop(): Promise<void>;
  /** Suspends it, as SIGSTOP does. */
  freeze(): void;
  thaw(): void;
  dispose(): Promise<void>;
}

/** Starts Redis, with a port in front of its socket. */
export async function startRedis(): Promise<Engine> {
  const redis = await RedisServer.start();
  const proxy = await PostgresProxy.start(redis.socket);
  return {
    url: `redis://127.0.0.1:${proxy.port}`,
    run: () => redis.run(),
    stop: () => redis.kill(),
    freeze: () => redis.freeze(),
    thaw: () => redis.thaw(),
    dispose: async () => {
      await proxy.close();
      await redis.dispose();
    },
  };
}

/** How a node is: it runs, stands still, or has no process. */
type NodeState = 'running' | 'frozen' | 'down';

/** One node: the process that it is now, and those that it was before. */
export class ClusterNode {
  state: NodeState = 'down';
  private process: ServerProcess | null = null;
  /** The logs of the processes that have ended. */
  private readonly logs: string[] = [];

  constructor(
    readonly name: string,
    private readonly env: NodeJS.ProcessEnv & { readonly DATABASE_URL: string },
  ) {}

  /** Where it is now; null while clients can't reach it. */
  get socketUrl(): string | null {
    return this.state === 'running' ? this.process!.socketUrl : null;
  }

  get url(): string {
    return this.process!.url;
  }

  get log(): string {
    return [...this.logs, this.process?.written ?? ''].join('\n-- started again --\n');
  }

  async start(): Promise<void> {
    this.process = await ServerProcess.start(this.env);
    this.state = 'running';
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    const { process } = this;
    if (!process || this.state === 'down') return;
    this.state = 'down';
    await process.kill();
    this.putAway(process);
  }

  /** Ends it as an operator does; returns its exit code. */
  async stop(): Promise<number | null> {
    const process = this.process!;
    this.state = 'down';
    const code = await process.stop();
    this.putAway(process);
    return code;
  }

  freeze(): void {
    globalThis.process.kill(this.process!.pid, 'SIGSTOP');
    this.state = 'frozen';
  }

  thaw(): void {
    if (this.state !== 'frozen') return;
    globalThis.process.kill(this.process!.pid, 'SIGCONT');
    this.state = 'running';
  }

  private putAway(process: ServerProcess): void {
    this.logs.push(process.written);
    this.process = null;
  }
}

/** What a cluster of a test is made of. */
export interface ClusterOptions {
  readonly nodes: number;
  /** Starts Redis for the bus; otherwise the bus is Postgres. */
  readonly redis?: () => Promise<Engine>;
  readonly env?: NodeJS.ProcessEnv;
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

  static async start({ nodes, redis, env = {} }: ClusterOptions): Promise<Cluster> {
    const postgres = await PostgresServer.start();
    let engine: Engine | null = null;
    try {
      const DATABASE_URL = await postgres.createDatabase();
      engine = (await redis?.()) ?? null;
      const cluster: NodeJS.ProcessEnv = nodes > 1 ? { CHAT_CLUSTER: '1' } : {};
      if (engine) cluster['CHAT_BUS_URL'] = engine.url;
      const all = { ...UNCAPPED, CHAT_ACK_WINDOW: '32', ...cluster, ...env, DATABASE_URL };
      const made = Array.from({ length: nodes }, (_, index) => new ClusterNode(`node-${index + 1}`, all));
      const started = new Cluster(postgres, engine, made, DATABASE_URL);
      // One after the other: the first makes the tables.
      for (const node of made) await node.start();
      return started;
    } catch (error) {
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
    return `${(await Promise.all(told)).join('\n')}\n${this.logs}`;
  }

  /** What all nodes have written. */
  get logs(): string {
    return this.nodes.map(({ name, log }) => `== ${name} ==\n${log}`).join('\n');
  }

  async dispose(): Promise<void> {
    for (const node of this.nodes) {
      node.thaw();
      await node.kill();
    }
    await this.redis?.dispose();
    await this.postgres.dispose();
  }

  private async ready(node: ClusterNode): Promise<void> {
    const isReady = async () => (await fetch(`${node.url}/health/ready`)).ok;
    await eventually(isReady, () => `${node.name} is ready; it wrote ${node.log}`, 30_000);
  }
}

async function ask<Answer>({ url }: ClusterNode, path: string): Promise<Answer> {
  const response = await fetch(`${url}${path}`);
  if (response.status !== 200) throw new Error(`${path} answered ${response.status} ${await response.text()}`);
  return (await response.json()) as Answer;
}
