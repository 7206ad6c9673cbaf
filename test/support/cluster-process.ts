import type { PostgresProxy } from './postgres-proxy.js';
import { ServerProcess } from './server-process.js';

/** How long a node may take to start, to be ready and to end, in milliseconds: many times what it takes. */
export const PATIENCE_MS = 120_000;

/** The networks of a node, which can fail for it alone. */
export interface NodeNetwork {
  readonly postgres: PostgresProxy;
  /** Null when the bus is Postgres. */
  readonly redis: PostgresProxy | null;
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
    readonly network: NodeNetwork,
    private readonly env: NodeJS.ProcessEnv & { readonly DATABASE_URL: string },
    /** Another server than that of this checkout. */
    public program?: readonly string[],
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
    this.process = await ServerProcess.start(this.env, undefined, this.program, PATIENCE_MS);
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
    const code = await process.stop('SIGTERM', PATIENCE_MS);
    this.putAway(process);
    return code;
  }

  /** Has it say, in its log, what it waits for. */
  tell(): void {
    if (this.state === 'running') globalThis.process.kill(this.process!.pid, 'SIGUSR2');
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

  async dispose(): Promise<void> {
    this.thaw();
    await this.kill();
    await this.network.postgres.close();
    await this.network.redis?.close();
  }

  private putAway(process: ServerProcess): void {
    this.logs.push(process.written);
    this.process = null;
  }
}
