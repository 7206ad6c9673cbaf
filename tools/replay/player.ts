import { eventually } from '../../test/support/deadline.js';
import { ReplayCheck, type Verdict } from './check.js';
import { ANSWER_MS, connect, type Protocol, type ReplayClient } from './client.js';
import type { ChannelEvent, ChannelLog } from './channel-log.js';
import type { SentMessage } from './matching.js';

/** Longest wait for the last message to be confirmed, in milliseconds. */
const DRAIN_MS = 20_000;

export interface ReplayOptions {
  /** Where the server's socket is, such as `ws://127.0.0.1:3000/chat`. */
  readonly url: string;
  readonly protocol: Protocol;
  /** Bearer token for the server's REST calls, if it wants one. */
  readonly adminToken?: string | undefined;
}

export interface ReplayReport extends Verdict {
  readonly users: number;
  /** Times that somebody connected. */
  readonly connections: number;
  readonly ignoredLines: number;
  readonly seconds: number;
}

/**
 * Plays a log through a running server as fast as it can, every nick on its own connection. It waits until a user who
 * joins is connected, and until one who leaves is disconnected. It never waits for a message, which may cross with joins
 * and leaves. When the log has ended, absent users come back for their messages, until the server has nothing left.
 *
 * The server has to be idle and without pending messages; rejects with an error when it has some.
 */
export async function replay(log: ChannelLog, options: ReplayOptions): Promise<ReplayReport> {
  const player = new Player(log, options);
  const begin = performance.now();
  try {
    await player.play();
    const seconds = (performance.now() - begin) / 1000;
    return {
      ...player.check.verdict(),
      users: log.users.length,
      connections: player.connections,
      ignoredLines: log.ignoredLines,
      seconds,
    };
  } finally {
    player.stop();
  }
}

interface Totals {
  readonly accepted: number;
  readonly confirmed: number;
  readonly pending: number;
  readonly inFlight: number;
}

class Player {
  readonly check: ReplayCheck;
  connections = 0;
  private readonly clients = new Map<string, ReplayClient>();
  /** Message ids differ between runs. The server would take equal ones for repeats. */
  private readonly run = `replay-${Date.now().toString(36)}`;

  constructor(
    private readonly log: ChannelLog,
    private readonly options: ReplayOptions,
  ) {
    this.check = new ReplayCheck(options.protocol);
  }

  async play(): Promise<void> {
    const before = await this.totals();
    if (before.pending + before.inFlight > 0) {
      throw new Error(`${before.pending} messages wait in this server already; give a server with an empty store`);
    }
    await Promise.all(this.log.presentBefore.map((user) => this.join(user)));
    for (const event of this.log.events) await this.playEvent(event);
    await this.drain(before);
    await Promise.all([...this.clients.keys()].map((user) => this.leave(user)));
  }

  stop(): void {
    for (const client of this.clients.values()) client.terminate();
  }

  private async playEvent(event: ChannelEvent): Promise<void> {
    switch (event.type) {
      case 'join':
        return this.join(event.user);
      case 'leave':
        return this.leave(event.user);
      case 'direct':
        return this.send({ ...event, id: `${this.run}-${event.line}` });
      case 'broadcast':
        return this.send({ ...event, to: '*', id: `${this.run}-${event.line}` });
    }
  }

  private async join(user: string): Promise<void> {
    const { url, protocol } = this.options;
    const visit = { url, user, number: ++this.connections, record: this.check.record.bind(this.check) };
    this.clients.set(user, await connect(protocol, visit));
  }

  private async leave(user: string): Promise<void> {
    const client = this.clients.get(user)!;
    await client.leave();
    this.clients.delete(user);
  }

  private async send(message: SentMessage): Promise<void> {
    const client = this.clients.get(message.from)!;
    this.check.record({ type: 'sent', message });
    if (client.maySend(message)) return client.send(message);
    // REST is used for what no frame can carry: the text protocol has no broadcast with a `|`, and a changed text would
    // be worse. It is also used for what one connection may not send as fast as the log is played. It must not overtake
    // a frame.
    await client.roundTrip();
    const { id, from, to, content } = message;
    const receipt = await this.rest(
      'POST',
      'messages',
      to === '*' ? { id, from, content, broadcast: true } : { id, from, to, content },
    );
    if (this.options.protocol === 'json') {
      const { status } = receipt as { status: string };
      this.check.record({ type: 'receipt', user: from, id, status });
    }
  }

  /**
   * Waits until everything has arrived: first at the server, then at the absent users, who come back for their
   * messages.
   */
  private async drain(before: Totals): Promise<void> {
    await this.roundTrips();
    const absent = [...this.check.awaiting()].filter((user) => !this.clients.has(user));
    await Promise.all(absent.map((user) => this.join(user)));
    let books = '';
    const isDone = async () => {
      const { accepted, confirmed, pending, inFlight } = await this.totals();
      const taken = accepted - before.accepted;
      const done = confirmed - before.confirmed;
      books = `accepted ${taken} of ${this.check.directCount}, confirmed ${done}, pending ${pending}, in flight ${inFlight}`;
      return taken === this.check.directCount && done === taken && pending + inFlight === 0;
    };
    await eventually(isDone, () => books, DRAIN_MS).catch((error: unknown) => {
      this.check.record({ type: 'unexpected', what: `the server's books do not close: ${String(error)}` });
    });
    // What the server wrote before a pong has come when the pong comes: the last receipts and broadcasts.
    await this.roundTrips();
  }

  private async roundTrips(): Promise<void> {
    await Promise.all([...this.clients.values()].map((client) => client.roundTrip()));
  }

  private async totals(): Promise<Totals> {
    return ((await this.rest('GET', 'stats')) as { messages: Totals }).messages;
  }

  private async rest(method: string, path: string, body?: unknown): Promise<unknown> {
    const { url, adminToken } = this.options;
    const address = `${url.replace(/^ws/, 'http').replace(/\/$/, '')}/${path}`;
    const response = await fetch(address, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(adminToken === undefined ? {} : { Authorization: `Bearer ${adminToken}` }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_MS),
    }).catch((cause: unknown) => {
      throw new Error(`no answer from ${address}: is the server running there?`, { cause });
    });
    if (!response.ok) throw new Error(`${method} ${address} answers ${response.status} ${await response.text()}`);
    return response.json();
  }
}
