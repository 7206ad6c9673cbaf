import type { DataSourceOptions } from 'typeorm';
import { NodeSession } from '../../src/database/node-session.js';

/** The sessions of one node with Postgres: what it has asked, and not heard yet. */
export class Sessions {
  /** What was asked over a network that is silent is never answered. */
  isCutOff = false;
  private underWay = 0;
  private waiting: (() => void)[] = [];
  /** The ends that the node has not noticed, by the process of Postgres. */
  private readonly open = new Map<number, Promise<void>>();

  /** `options` are what the node opens its sessions with. */
  constructor(options: DataSourceOptions) {
    OF_OPTIONS.set(options, this);
  }

  get isIdle(): boolean {
    return this.isCutOff || this.underWay === 0;
  }

  untilIdle(): Promise<void> {
    return this.isIdle ? Promise.resolve() : new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Resolves when the node knows that the session of this process has ended. */
  async untilEnded(pid: number): Promise<void> {
    await this.open.get(pid);
  }

  async count<Result>(work: Promise<Result>): Promise<Result> {
    this.underWay += 1;
    try {
      return await work;
    } finally {
      this.underWay -= 1;
      if (this.isIdle) for (const resolve of this.waiting.splice(0)) resolve();
    }
  }

  opened(pid: number, ended: Promise<void>): void {
    this.open.set(pid, ended);
    void ended.then(() => this.open.delete(pid));
  }
}

const OF_OPTIONS = new WeakMap<DataSourceOptions, Sessions>();

/** Has `Sessions` know of all that happens, from now on. */
export function watchSessions(): void {
  const open = NodeSession.open.bind(NodeSession);
  NodeSession.open = async (options, kind, events, earlier) => {
    const sessions = OF_OPTIONS.get(options);
    if (!sessions) return open(options, kind, events, earlier);
    let noticed: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => (noticed = resolve));
    const onEnd = () => {
      events.onEnd();
      noticed();
    };
    const told = { onEnd, onNotification: (payload: string) => events.onNotification(payload) };
    const session = await sessions.count(open(options, kind, told, earlier));
    const query = session.query.bind(session);
    session.query = <Row>(...given: Parameters<typeof query>) => sessions.count(query<Row>(...given));
    sessions.opened(session.name.pid, ended);
    return session;
  };
}
