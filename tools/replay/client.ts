import { once } from 'node:events';
import { WebSocket } from 'ws';
import { TokenBucket } from '../../src/connections/token-bucket.js';
import type { FrameOf, ServerEvents } from '../../src/protocol/wire.js';
import { withDeadline } from '../../test/support/deadline.js';
import type { Sighting } from './check.js';
import type { SentMessage } from './matching.js';

/** Longest wait for an answer of the server, in milliseconds. */
export const ANSWER_MS = 10_000;

// A little below the default limit of a server: a log is played faster than people type.
const FRAMES_PER_SECOND = 15;
const FRAME_BURST = 50;
const BROADCASTS_PER_SECOND = 0.8;
const BROADCAST_BURST = 8;

export type Protocol = 'text' | 'json';

/** The user and number of a connection, and the observer of what it sees. */
export interface Visit {
  readonly url: string;
  readonly user: string;
  readonly number: number;
  readonly record: (sighting: Sighting) => void;
}

/**
 * Returns the local address of a connection. Each has its own, as the users of a channel do, because a server limits
 * the connections of one address. Undefined where it can't be chosen.
 */
function addressOf({ hostname }: URL, number: number): string | undefined {
  const loopback = hostname.startsWith('127.') && process.platform === 'linux';
  return loopback ? `127.1.${(number >> 8) & 255}.${number & 255 || 255}` : undefined;
}

/** Opens a connection and waits until the server delivers to it; rejects with an error that says why not. */
export async function connect(protocol: Protocol, visit: Visit): Promise<ReplayClient> {
  const client = protocol === 'text' ? new TextClient(visit) : new JsonClient(visit);
  await client.opened();
  return client;
}

/** One connection of one nick. It sends, and reports what comes in order. */
export abstract class ReplayClient {
  protected readonly socket: WebSocket;
  /** Resolves with the close code. */
  protected readonly closed: Promise<number>;
  private isLeaving = false;
  private roundTrips = 0;
  private readonly frames = new TokenBucket(FRAMES_PER_SECOND, FRAME_BURST, Date.now());
  private readonly broadcasts = new TokenBucket(BROADCASTS_PER_SECOND, BROADCAST_BURST, Date.now());

  constructor(
    protected readonly visit: Visit,
    subprotocols: string[],
  ) {
    const url = new URL(visit.url);
    url.searchParams.set('user', visit.user);
    // No compression and no other extension, so that the frames are as the server writes them.
    const local = addressOf(url, visit.number);
    this.socket = new WebSocket(url, subprotocols, { perMessageDeflate: false, ...(local && { localAddress: local }) });
    this.socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) this.fault('got a binary frame');
      else this.onFrame(data.toString());
    });
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        if (!this.isLeaving) this.fault(`was disconnected with ${code} ${reason.toString()}`);
        resolve(code);
      });
    });
    this.socket.on('error', () => undefined); // 'close' follows, with the close code.
  }

  async opened(): Promise<void> {
    try {
      await withDeadline(once(this.socket, 'open'), () => 'an answer to the handshake', ANSWER_MS);
    } catch (cause) {
      this.isLeaving = true;
      this.socket.terminate();
      throw new Error(`${this.visit.user} can't connect to ${this.visit.url}: ${(cause as Error).message}`, { cause });
    }
  }

  /**
   * Returns whether a frame of this protocol can carry this message, and the limits allow one now. If so, it has to be
   * sent.
   */
  maySend({ to, content }: SentMessage): boolean {
    if (to === '*' && !(this.canBroadcast(content) && this.broadcasts.take(Date.now()))) return false;
    return this.frames.take(Date.now());
  }

  protected abstract canBroadcast(content: string): boolean;

  /** Sends a message and does not wait. */
  send(message: SentMessage): void {
    if (this.socket.readyState !== WebSocket.OPEN) throw new Error(`${this.visit.user} is not connected any more`);
    this.socket.send(this.frameOf(message));
  }

  /**
   * Waits until the server has read everything that this connection sent before, and everything that it had written has
   * come.
   */
  async roundTrip(): Promise<void> {
    const nonce = `replay ${++this.roundTrips}`;
    const answered = new Promise<void>((resolve) => {
      const onPong = (payload: Buffer) => {
        if (payload.toString() !== nonce) return;
        this.socket.off('pong', onPong);
        resolve();
      };
      this.socket.on('pong', onPong);
    });
    this.socket.ping(nonce);
    await this.within(Promise.race([answered, this.closed]), 'a pong');
  }

  /** Leaves with a close frame; resolves when the server has answered it. */
  async leave(): Promise<void> {
    this.isLeaving = true;
    this.socket.close(1000);
    const code = await this.within(this.closed, 'an answer to the close frame');
    if (code !== 1000) this.fault(`left with 1000 and was answered ${code}`);
  }

  terminate(): void {
    this.isLeaving = true;
    this.socket.terminate();
  }

  protected abstract frameOf(message: SentMessage): string;
  protected abstract onFrame(frame: string): void;

  protected within<Result>(promise: Promise<Result>, what: string): Promise<Result> {
    return withDeadline(promise, () => `${what} for ${this.visit.user}`, ANSWER_MS);
  }

  protected confirmed(): void {
    this.visit.record({ type: 'confirmed', visit: this.visit.number });
  }

  protected fault(what: string): void {
    this.visit.record({ type: 'unexpected', what: `${this.visit.user} ${what}` });
  }
}

/** A nick that only uses RFC 6455: frames in, frames out, and the pongs that `ws` sends by itself. */
class TextClient extends ReplayClient {
  constructor(visit: Visit) {
    super(visit, []);
    this.socket.on('ping', () => {
      // While it closes, `ws` does not answer pings any more, so what comes then is not confirmed.
      if (this.socket.readyState === WebSocket.OPEN) this.confirmed();
    });
  }

  /** A `|` would make it a direct message, whatever is before it [protocol 3.1]. */
  protected override canBroadcast(content: string): boolean {
    return !content.includes('|');
  }

  protected override frameOf({ to, content }: SentMessage): string {
    return to === '*' ? content : `${to}|${content}`;
  }

  protected override onFrame(frame: string): void {
    this.visit.record({ type: 'text', user: this.visit.user, visit: this.visit.number, frame });
  }
}

/** A nick that acknowledges what it has, and does not leave before it knows the outcome of what it sent. */
class JsonClient extends ReplayClient {
  private readonly welcomed: Promise<void>;
  private onWelcome!: () => void;
  private readonly unreceipted = new Set<string>();
  private onAllReceipted: (() => void) | null = null;
  private lastSeq = 0;
  private ackedSeq = 0;

  constructor(visit: Visit) {
    super(visit, ['chat.v1.json']);
    this.welcomed = new Promise((resolve) => (this.onWelcome = resolve));
  }

  override async opened(): Promise<void> {
    await super.opened();
    await this.within(this.welcomed, 'a welcome');
  }

  protected override canBroadcast(): boolean {
    return true;
  }

  override send(message: SentMessage): void {
    super.send(message);
    this.unreceipted.add(message.id);
  }

  override async leave(): Promise<void> {
    const receipted = new Promise<void>((resolve) => (this.onAllReceipted = resolve));
    if (this.unreceipted.size > 0) {
      await this.within(Promise.race([receipted, this.closed]), `${this.unreceipted.size} receipts`);
    }
    this.acknowledge();
    await super.leave();
  }

  protected override frameOf({ id, to, content }: SentMessage): string {
    return JSON.stringify(
      to === '*' ? { event: 'broadcast', data: { id, content } } : { event: 'send', data: { id, to, content } },
    );
  }

  protected override onFrame(text: string): void {
    const { user, number, record } = this.visit;
    const frame = JSON.parse(text) as FrameOf<ServerEvents>;
    switch (frame.event) {
      case 'welcome':
        return this.onWelcome();
      case 'caught-up':
      case 'endings':
        return;
      case 'message':
        record({ type: 'json', user, visit: number, message: frame.data });
        if (frame.data.seq !== undefined) this.onSeq(frame.data.seq);
        return;
      case 'receipts':
        for (const { id, status } of frame.data) {
          record({ type: 'receipt', user, id, status });
          this.onAnswer(id);
        }
        return;
      case 'exception':
        record({ type: 'refused', user, frame: text });
        return this.onAnswer(frame.data.id);
      default:
        return this.fault(`got an unknown frame ${text}`);
    }
  }

  private onAnswer(id: string | undefined): void {
    if (id !== undefined) this.unreceipted.delete(id);
    if (this.unreceipted.size === 0) this.onAllReceipted?.();
  }

  /** One acknowledgement for all that comes in one turn of the event loop. */
  private onSeq(seq: number): void {
    if (this.lastSeq === this.ackedSeq) setImmediate(() => this.acknowledge());
    this.lastSeq = seq;
  }

  private acknowledge(): void {
    if (this.lastSeq === this.ackedSeq || this.socket.readyState !== WebSocket.OPEN) return;
    this.ackedSeq = this.lastSeq;
    this.socket.send(JSON.stringify({ event: 'ack', data: { seq: this.lastSeq } }));
    this.confirmed();
  }
}
