import { Logger } from '@nestjs/common';
import type { DataSourceOptions } from 'typeorm';
import { NodeSession, type SessionName } from '../database/node-session.js';
import { NodeTable } from './node.table.js';

/** The session of a node on which it beats, or none. It is opened again by whoever needs it. */
export class MembershipSession {
  private readonly logger = new Logger('Membership');
  private session: NodeSession | null = null;
  /** It may be left on a network that is silent, and holds the lock then. */
  private earlier: SessionName | null = null;
  /** The rows, on the session; null while there is none. */
  table: NodeTable | null = null;

  constructor(
    private readonly database: DataSourceOptions,
    private readonly onNotification: () => void,
    /** The session has ended, and its lock with it. */
    private readonly onEnd: () => void,
  ) {}

  get pid(): number | null {
    return this.session?.name.pid ?? null;
  }

  /** Opens a session with the lock of this node, or of a new one; resolves to its id. */
  async open(node: number | null): Promise<number> {
    let opened: NodeSession | null = null;
    const events = {
      onNotification: this.onNotification,
      onEnd: () => opened !== null && opened === this.session && this.drop(),
    };
    const session = await NodeSession.open(this.database, 'membership', events, this.earlier);
    opened = session;
    try {
      this.earlier = session.name;
      const table = new NodeTable(session);
      const id = node ?? (await table.newId());
      // Before the row is there: a node without locks counts as dead.
      await session.lock('membership', id);
      await table.listen();
      this.session = session;
      this.table = table;
      return id;
    } catch (error) {
      this.leave(session);
      throw error;
    }
  }

  /** Leaves the session; the next one ends it if it is still there. */
  drop(): void {
    const { session } = this;
    if (!session) return;
    this.session = null;
    this.table = null;
    this.onEnd();
    this.leave(session);
  }

  /** Ends the session; does not wait for a network that drops everything. */
  close(): Promise<void> {
    const { session } = this;
    this.session = null;
    this.table = null;
    return session?.close() ?? Promise.resolve();
  }

  private leave(session: NodeSession): void {
    session.close().catch((error: unknown) => this.logger.debug(`A session can't be closed: ${String(error)}`));
  }
}
