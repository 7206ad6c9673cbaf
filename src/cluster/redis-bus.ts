import type { Duplex } from 'node:stream';
import type * as IoRedis from 'ioredis';
import type { Clock } from '../options/clock.js';
import type { Settled } from './bus.js';
import { SENT_AGAIN, SessionBus, type BusSession, type SessionListener } from './session-bus.js';

/** It is loaded only when there is a Redis bus, so that nobody else has to install it. */
const CLIENT: string = 'ioredis';
const MAX_PACKET_BYTES = 1_048_576;

/**
 * A bus over Redis or Valkey: publish and subscribe, a channel for each node of each cluster. Nothing is stored there.
 *
 * The client's own reconnecting is off: it takes a connection for a live one until the system says otherwise, which can
 * take minutes, and it keeps what was published meanwhile.
 */
export class RedisBus extends SessionBus {
  readonly title: string;
  readonly maxPacketBytes = MAX_PACKET_BYTES;

  private constructor(
    private readonly client: typeof IoRedis,
    private readonly url: string,
    private readonly cluster: string,
    clock: Clock,
  ) {
    super(clock);
    this.title = titleOf(url);
  }

  /**
   * Makes a bus, not yet connected. `url` is `redis://` or `rediss://`, with user and password if Redis wants them, or
   * the path of a socket. Rejects when `ioredis` is not installed.
   */
  static async create(url: string, cluster: string, clock: Clock): Promise<RedisBus> {
    let client: typeof IoRedis;
    try {
      client = (await import(CLIENT)) as typeof IoRedis;
    } catch (cause) {
      throw new Error('A bus over Redis needs the package ioredis; install it: npm install ioredis@5', { cause });
    }
    return new RedisBus(client, url, cluster, clock);
  }

  protected async open(node: number, listener: SessionListener, givenUp: AbortSignal): Promise<BusSession> {
    // A connection that listens can't publish.
    const [publisher, subscriber] = [this.newClient(), this.newClient()];
    const end = () => {
      publisher.disconnect();
      subscriber.disconnect();
    };
    // A Redis that stands still may reply much later, or never.
    givenUp.addEventListener('abort', end);
    let reason = 'the connection ended';
    for (const each of [publisher, subscriber]) {
      each.on('error', (error: Error) => (reason = error.message));
      each.on('end', () => listener.onEnd(reason));
    }
    subscriber.on('messageBuffer', (_channel: Buffer, packet: Buffer) => listener.onPacket(packet));
    try {
      await Promise.all([publisher.connect(), subscriber.connect()]);
      await subscriber.subscribe(this.channelOf(node));
    } catch (error) {
      end();
      throw error;
    }
    let last: Promise<unknown> = Promise.resolve();
    return {
      publish: (to, packet, settled) => {
        last = this.publishOn(publisher, to, packet, settled);
      },
      // Redis replies in order.
      drain: async () => void (await last),
      end,
    };
  }

  private publishOn(publisher: IoRedis.Redis, node: number, packet: Buffer, settled: Settled): Promise<unknown> {
    // The callback gets an error when the connection ends first, and when the user may not publish there.
    return publisher.publish(this.channelOf(node), packet, (error) => {
      if (error && this.isListening)
        this.rareLog.warn('refused', `${this.title} took no packet of this node: ${error.message}. ${SENT_AGAIN}`);
      settled(!error);
    });
  }

  private newClient(): IoRedis.Redis {
    const options: IoRedis.RedisOptions & { protocol: 2 } = {
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      retryStrategy: () => null,
      connectTimeout: 3_000,
      disconnectTimeout: 100,
      // These need commands that the user may not be allowed.
      enableReadyCheck: false,
      disableClientInfo: true,
      // From version 6 on the client would use 3, which old servers and proxies do not know.
      protocol: 2,
    };
    return survivingErrors(new this.client.Redis(this.url, options));
  }

  private channelOf(node: number): string {
    return `holdfast:${this.cluster}:${node}`;
  }
}

/**
 * The client listens for one error of a socket. One with TLS may have two, as when a certificate is refused, and the
 * second would end the process.
 */
function survivingErrors(client: IoRedis.Redis): IoRedis.Redis {
  const { connector } = client as unknown as { connector: { connect(onError: unknown): Promise<Duplex> } };
  const connect = connector.connect.bind(connector);
  connector.connect = async (onError) => {
    const stream = await connect(onError);
    return stream.on('error', () => undefined);
  };
  return client;
}

/** Names the address without user and password. */
function titleOf(url: string): string {
  if (!URL.canParse(url)) return 'Redis';
  const { protocol, host } = new URL(url);
  return `${protocol}//${host}`;
}
