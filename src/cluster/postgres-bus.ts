import { createHash } from 'node:crypto';
import type { DataSourceOptions } from 'typeorm';
import { NodeSession, type SessionName } from '../database/node-session.js';
import type { Clock } from '../options/clock.js';
import type { Settled } from './bus.js';
import { reasonOf } from './failures.js';
import { SENT_AGAIN, SessionBus, type BusSession, type SessionListener } from './session-bus.js';

/** A notification carries less than 8,000 bytes of text: this many in base64. */
const MAX_PACKET_BYTES = 5_997;
/** Least time between two statements, in milliseconds: each takes an id of a transaction, of the whole server. */
const GATHER_MS = 5;
/** The same while the queue of notifications fills up, in milliseconds. */
const SLOW_MS = 100;
/** The queue is filling up when more than this part of it is used. */
const MAX_USAGE = 0.1;
/** A statement publishes at most so many packets: what it publishes is in the memory of Postgres until it commits. */
const MAX_PACKETS = 256;

const PUBLISH = `SELECT count(pg_notify(channel, payload)), pg_notification_queue_usage() AS usage
  FROM unnest(CAST($1 AS text[]), CAST($2 AS text[])) AS packet (channel, payload)`;

interface Packet {
  readonly channel: string;
  readonly payload: string;
  readonly settled: Settled;
}

/**
 * A bus over Postgres: LISTEN and NOTIFY, on a session of its own. Never in a transaction of the store: a commit that
 * notifies takes a lock of the whole server.
 */
export class PostgresBus extends SessionBus {
  readonly title = 'Postgres';
  readonly maxPacketBytes = MAX_PACKET_BYTES;
  /** How many ids of transactions it has used. Postgres has to freeze its tables before 2^31 of them are used up. */
  transactions = 0;
  private readonly prefix: string;
  private earlier: SessionName | null = null;

  /** `options` are those of the store. */
  constructor(
    private readonly options: DataSourceOptions,
    cluster: string,
    clock: Clock,
  ) {
    super(clock);
    // The name of a channel has at most 63 bytes.
    this.prefix = `holdfast_${createHash('sha256').update(cluster).digest('hex').slice(0, 32)}`;
  }

  protected async open(node: number, listener: SessionListener): Promise<BusSession> {
    try {
      return await this.openSession(node, listener);
    } catch (cause) {
      throw new Error(reasonOf(cause), { cause });
    }
  }

  private async openSession(node: number, listener: SessionListener): Promise<BusSession> {
    const session = await NodeSession.open(
      this.options,
      'bus',
      {
        onNotification: (payload) => listener.onPacket(Buffer.from(payload, 'base64')),
        onEnd: () => listener.onEnd('the session ended'),
      },
      this.earlier,
    );
    this.earlier = session.name;
    try {
      await session.lock('bus', node);
      await session.query(`LISTEN ${this.channelOf(node)}`);
    } catch (error) {
      closeQuietly(session);
      throw error;
    }
    return new Publisher(
      this.clock,
      (node) => this.channelOf(node),
      (packets) => this.publishAll(session, packets),
      () => closeQuietly(session),
    );
  }

  /** Returns how full the queue of notifications is, from 0 to 1. */
  private async publishAll(session: NodeSession, packets: readonly Packet[]): Promise<number> {
    this.transactions += 1;
    try {
      const [channels, payloads] = [packets.map(({ channel }) => channel), packets.map(({ payload }) => payload)];
      const [row] = await session.query<{ usage: number }>(PUBLISH, [channels, payloads]);
      for (const { settled } of packets) settled(true);
      if (row!.usage > MAX_USAGE) {
        const percent = Math.round(row!.usage * 100);
        this.rareLog.warn(
          'usage',
          `The queue of notifications of Postgres is ${percent} % full, so nodes talk more slowly: a session that listens does not read (docs/operations.md, Postgres).`,
        );
      }
      return row!.usage;
    } catch (error) {
      for (const { settled } of packets) settled(false);
      if (this.isListening)
        this.rareLog.warn('refused', `Postgres took no packet of this node: ${reasonOf(error)}. ${SENT_AGAIN}`);
      return 0;
    }
  }

  private channelOf(node: number): string {
    return `${this.prefix}_${node}`;
  }
}

/** On a network that drops everything this waits until the system gives up; nobody has to wait for it. */
function closeQuietly(session: NodeSession): void {
  session.close().catch(() => undefined);
}

/** Gathers packets, so that many go in one statement. The first after a pause goes at once. */
class Publisher implements BusSession {
  private queue: Packet[] = [];
  private state: 'idle' | 'gathering' | 'publishing' | 'ended' = 'idle';
  private publishedAt = -Infinity;
  private gatherMs = GATHER_MS;
  private drained: (() => void)[] = [];
  private cancel: () => void = () => undefined;

  constructor(
    private readonly clock: Clock,
    private readonly channelOf: (node: number) => string,
    private readonly publishAll: (packets: readonly Packet[]) => Promise<number>,
    private readonly close: () => void,
  ) {}

  publish(node: number, packet: Buffer, settled: Settled): void {
    if (this.state === 'ended') return settled(false);
    this.queue.push({ channel: this.channelOf(node), payload: packet.toString('base64'), settled });
    if (this.state === 'idle') this.gather();
  }

  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.drained.push(resolve);
      if (this.state === 'publishing') return;
      this.cancel();
      this.state = 'gathering';
      void this.next();
    });
  }

  end(): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.cancel();
    this.close();
    for (const { settled } of this.queue.splice(0)) settled(false);
    this.tellDrained();
  }

  private gather(): void {
    this.state = 'gathering';
    const wait = this.publishedAt + this.gatherMs - this.clock.monotonic();
    // What this turn publishes to other nodes goes along.
    if (wait <= 0) queueMicrotask(() => void this.next());
    else this.cancel = this.clock.after(wait, () => void this.next());
  }

  private async next(): Promise<void> {
    if (this.state !== 'gathering') return;
    if (this.queue.length > 0) {
      this.state = 'publishing';
      this.publishedAt = this.clock.monotonic();
      const usage = await this.publishAll(this.queue.splice(0, MAX_PACKETS));
      this.gatherMs = usage > MAX_USAGE ? SLOW_MS : GATHER_MS;
      if (this.state !== 'publishing') return;
    }
    this.state = 'idle';
    if (this.queue.length > 0) this.gather();
    else this.tellDrained();
  }

  private tellDrained(): void {
    for (const resolve of this.drained.splice(0)) resolve();
  }
}
