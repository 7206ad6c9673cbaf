import { DataSource, type DataSourceOptions, type QueryRunner } from 'typeorm';
import { sessionLockSql, type SessionKind } from './postgres-session.js';
import { nodeSessionOptions } from './postgres-store.js';
import { checkAndComplete } from './store-options.js';

/** Longest wait for the lock of an earlier session of the same node, which was just ended, in milliseconds. */
const LOCK_WAIT_MS = 2_000;

/** The part of a `pg` client that is needed beside its statements. */
interface Client {
  on(event: 'end' | 'error', listener: () => void): void;
  on(event: 'notification', listener: (notification: { readonly payload?: string }) => void): void;
}

/** Identifies a session: Postgres may use the same process id again later. */
export interface SessionName {
  readonly pid: number;
  readonly since: string;
}

/** What happens to a session. */
export interface SessionEvents {
  /** Something was notified on a channel that it listens to. */
  onNotification(payload: string): void;
  /** It has ended, and its lock with it. */
  onEnd(): void;
}

/**
 * A session of a node with Postgres, beside that of the store. It is one connection for as long as it lives: its end is
 * told, and it is never replaced silently.
 */
export class NodeSession {
  private constructor(
    private readonly dataSource: DataSource,
    private readonly runner: QueryRunner,
    readonly name: SessionName,
  ) {}

  /** `options` are those of the store's data source, complete or not. An earlier session of the same kind and node is ended first. */
  static async open(
    options: DataSourceOptions,
    kind: SessionKind,
    events: SessionEvents,
    earlier: SessionName | null,
  ): Promise<NodeSession> {
    // Its lock is taken by `lock`: the id of a node is known when there is a session.
    const own = nodeSessionOptions(checkAndComplete(options), { kind, identity: { id: null } });
    const dataSource = await new DataSource(own).initialize();
    try {
      const runner = dataSource.createQueryRunner();
      const client = (await runner.connect()) as Client;
      client.on('end', () => events.onEnd());
      client.on('error', () => events.onEnd());
      client.on('notification', ({ payload }) => events.onNotification(payload ?? ''));
      const session = new NodeSession(dataSource, runner, await nameOf(runner));
      if (earlier) await session.end(earlier);
      return session;
    } catch (error) {
      await dataSource.destroy();
      throw error;
    }
  }

  /** Runs one statement, with `$1` and so on for its parameters; resolves to the rows. */
  async query<Row>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    return (await this.runner.query(sql, parameters, true)).records as Row[];
  }

  /** Takes the lock that this kind of session of the node holds. */
  async lock(kind: SessionKind, node: number): Promise<void> {
    await this.query(`SET lock_timeout = ${LOCK_WAIT_MS}`);
    await this.query(`SELECT pg_advisory_lock(${sessionLockSql('$1', '$2')})`, [kind, node]);
    await this.query('RESET lock_timeout');
  }

  /** Runs statements in one transaction. When one fails, all are rolled back. */
  async transaction<Result>(work: () => Promise<Result>): Promise<Result> {
    await this.query('BEGIN');
    try {
      const result = await work();
      await this.query('COMMIT');
      return result;
    } catch (error) {
      // After an error of the network this fails as well; the first error says why.
      await this.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  /** Ends it. On a network that drops everything this may take until the operating system gives up. */
  async close(): Promise<void> {
    if (!this.runner.isReleased) await this.runner.release();
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }

  private async end({ pid, since }: SessionName): Promise<void> {
    await this.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND CAST(backend_start AS text) = $2',
      [pid, since],
    );
  }
}

async function nameOf(runner: QueryRunner): Promise<SessionName> {
  const { records } = await runner.query(
    'SELECT pid, CAST(backend_start AS text) AS since FROM pg_stat_activity WHERE pid = pg_backend_pid()',
    [],
    true,
  );
  return records[0] as SessionName;
}
