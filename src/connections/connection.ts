import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { ChatOptions } from '../options/chat.options.js';
import type { ChatError, ErrorCode } from '../protocol/chat-error.js';
import { CloseCode } from '../protocol/close-code.js';
import type { ServerCodec, Welcome } from '../protocol/frames.js';
import { newId, type Message, type Receipt } from '../protocol/message.js';
import { TokenBucket } from './token-bucket.js';
import { Outbox, pingFrame } from './outbox.js';
import { PongConfirmation } from './pong-confirmation.js';

/** So many bytes wait to leave, and the peer gets no broadcasts and is not listened to: it does not read what it is answered. */
const SOFT_BUFFER_BYTES = 256 * 1024;

/** So many broadcasts may come at once as in so many seconds. */
const BROADCAST_BURST = 10;

/** How much a peer may send; null is no limit. */
export type ConnectionLimits = Pick<ChatOptions, 'framesPerSecond' | 'frameBurst' | 'broadcastsPerSecond'>;

/** What a connection asks of whoever keeps the connections. */
export interface ConnectionKeeper {
  now(): number;
  /** Calls `endTurn` of the connection once, at the end of this turn of the event loop. */
  atEndOfTurn(connection: Connection): void;
  /** The frame of a broadcast in the words of this codec. */
  broadcastFrame(message: Omit<Message, 'to'>, codec: ServerCodec): Buffer;
  /** A frame of a connection was refused. */
  onRefused(code: ErrorCode): void;
}

/** What the application may know of a connection. */
export interface ConnectionInfo {
  readonly id: string;
  readonly user: string;
  readonly protocol: 'text' | 'json';
  readonly remoteAddress: string;
  /** In milliseconds since 1970. */
  readonly connectedAt: number;
  /** What `authenticate` answered for it. */
  readonly principal: unknown;
}

/** What is known of a connection before it is open. */
export interface ConnectionOrigin {
  readonly user: string;
  readonly remoteAddress: string;
  /** When it has to end, in milliseconds since 1970; left out, it has not. */
  readonly expiresAt?: number;
  /** Who its peer proved to be, as the application says it. */
  readonly principal?: unknown;
}

/**
 * One WebSocket of one user. What is written to it in one turn of the event loop leaves in one system call, followed on
 * a text connection by one ping that asks for confirmation, and on a JSON connection by one frame with all receipts.
 *
 * It does not promise that anything arrives: that is what confirmations are for.
 */
export class Connection implements ConnectionInfo {
  readonly id = newId();
  readonly user: string;
  readonly remoteAddress: string;
  readonly connectedAt: number;
  readonly principal: unknown;
  /** When the last frame or pong came, in milliseconds since 1970. */
  lastSeenAt: number;
  /** Messages and broadcasts written to it. */
  sent = 0;
  /** Frames that came from it. */
  received = 0;
  /** A heartbeat's ping is unanswered. */
  private pingUnanswered = false;
  private turnOpen = false;
  private readonly outbox = new Outbox();
  private receipts: Receipt[] = [];
  private writtenSeq = 0;
  private askedSeq = 0;
  private readonly pongs = new PongConfirmation();
  private pauses = 0;
  /** Too much waits to leave; and did so at the heartbeat before. */
  private choked: false | 'now' | 'for a heartbeat' = false;
  private readonly frames: TokenBucket | null;
  private readonly broadcasts: TokenBucket | null;
  private refusedInARow = 0;
  private revoked = false;

  constructor(
    private readonly socket: WebSocket,
    private readonly stream: Duplex,
    private readonly codec: ServerCodec,
    private readonly keeper: ConnectionKeeper,
    origin: ConnectionOrigin,
    private readonly limits: ConnectionLimits,
  ) {
    this.user = origin.user;
    this.remoteAddress = origin.remoteAddress;
    this.principal = origin.principal;
    this.connectedAt = this.lastSeenAt = keeper.now();
    const { framesPerSecond, frameBurst, broadcastsPerSecond } = limits;
    this.frames = framesPerSecond === null ? null : new TokenBucket(framesPerSecond, frameBurst, this.connectedAt);
    this.broadcasts =
      broadcastsPerSecond === null
        ? null
        : new TokenBucket(broadcastsPerSecond, broadcastsPerSecond * BROADCAST_BURST, this.connectedAt);
  }

  get protocol(): 'text' | 'json' {
    return this.codec.protocol;
  }

  get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  /** It may not send any more: what comes from it until it is gone is not handled. */
  get isRevoked(): boolean {
    return this.revoked;
  }

  /** Bytes that wait to leave. */
  get bufferedBytes(): number {
    return this.socket.bufferedAmount + this.outbox.bytes;
  }

  welcome(details: Pick<Welcome, 'pending' | 'ackWindow' | 'maxContentBytes' | 'heartbeatMs'>): void {
    this.write(
      this.codec.welcome({ ...details, user: this.user, connectionId: this.id, serverTime: this.keeper.now() }),
    );
  }

  onMessage(message: Message, seq: number, late: boolean): void {
    this.sent += 1;
    this.writtenSeq = seq;
    this.write(this.codec.message(message, seq, late));
  }

  onBroadcast(message: Omit<Message, 'to'>): boolean {
    if (!this.isOpen || this.bufferedBytes > SOFT_BUFFER_BYTES) return false;
    this.sent += 1;
    this.openTurn();
    this.outbox.addFrame(this.keeper.broadcastFrame(message, this.codec));
    return true;
  }

  onCaughtUp(delivered: number): void {
    this.write(this.codec.caughtUp(delivered));
  }

  onReceipt(receipt: Receipt): void {
    if (this.codec.protocol === 'text') return;
    this.receipts.push(receipt);
    this.openTurn();
  }

  onRefused(error: ChatError, id?: string): void {
    this.keeper.onRefused(error.code);
    this.write(this.codec.exception(error, error.id ?? id));
  }

  /** Notes that a frame came. */
  onFrame(): void {
    this.received += 1;
    this.lastSeenAt = this.keeper.now();
  }

  /** Says whether the peer may send this frame now; after as many refusals in a row as its burst it is closed with 4429. */
  mayFrame(): boolean {
    if (!this.frames || this.frames.take(this.keeper.now())) {
      this.refusedInARow = 0;
      return true;
    }
    this.refusedInARow += 1;
    if (this.refusedInARow === this.limits.frameBurst) this.revoke(CloseCode.TOO_MANY_FRAMES, 'too many frames');
    return false;
  }

  /** Says whether the peer may broadcast now. */
  mayBroadcast(): boolean {
    return !this.broadcasts || this.broadcasts.take(this.keeper.now());
  }

  /** Notes a pong; answers the seq that it confirms, if it does. Only a text connection confirms this way [protocol 3.2]. */
  onPong(payload: Buffer): number | null {
    this.lastSeenAt = this.keeper.now();
    this.pingUnanswered = false;
    const seq = this.pongs.confirmedBy(payload);
    if (this.codec.protocol !== 'text') return null;
    if (this.askedSeq < this.writtenSeq) this.openTurn(); // A ping was held back; now one may go.
    return seq;
  }

  /** Asks for a pong; closes nothing. Answers false when the last one asked for has not come: the peer is dead. */
  heartbeat(): boolean {
    if (!this.isOpen) return true;
    if (this.choked === 'for a heartbeat') return false; // All the time it took nothing from us.
    if (this.choked) this.choked = 'for a heartbeat';
    if (this.pauses > 0) return true; // It may have answered already: we do not listen.
    if (this.pingUnanswered) return false;
    this.pingUnanswered = true;
    const nonce = this.pongs.ask(this.writtenSeq);
    if (nonce) this.socket.ping(nonce); // With too many unanswered one of those serves.
    return true;
  }

  /** Stops reading from the peer, until `resume` was called as often. */
  pause(): void {
    if (this.pauses++ === 0) this.socket.pause();
  }

  resume(): void {
    if (--this.pauses === 0) this.socket.resume();
  }

  /** Says goodbye with a close code and a reason; what was written before leaves first. */
  close(code: number, reason: string): void {
    this.endTurn();
    this.socket.close(code, reason);
    this.socket.resume(); // Paused, it would not hear the peer's goodbye.
  }

  /** Closes it, and takes nothing more from it: a peer may go on to write for as long as it does not answer the goodbye. */
  revoke(code: number, reason: string): void {
    this.revoked = true;
    this.close(code, reason);
  }

  /** The turn is over: what was gathered leaves. */
  endTurn(): void {
    if (!this.turnOpen) return;
    if (this.receipts.length > 0) {
      const receipts = this.receipts;
      this.receipts = [];
      this.write(this.codec.receipts(receipts));
    }
    if (this.codec.protocol === 'text' && this.askedSeq < this.writtenSeq && this.isOpen) {
      const nonce = this.pongs.ask(this.writtenSeq);
      if (nonce) {
        this.askedSeq = this.writtenSeq;
        this.outbox.addFrame(pingFrame(nonce));
      }
    }
    this.turnOpen = false;
    const frames = this.outbox.take();
    // After the goodbye nothing may follow [RFC 6455 5.5.1]; what is lost with it is unconfirmed, and stored.
    if (frames && this.isOpen) this.stream.write(frames);
    if (!this.choked && this.bufferedBytes > SOFT_BUFFER_BYTES) this.choke();
  }

  private choke(): void {
    this.choked = 'now';
    this.pause();
    this.stream.once('drain', () => {
      this.choked = false;
      this.resume();
    });
  }

  private openTurn(): void {
    if (this.turnOpen) return;
    this.turnOpen = true;
    this.keeper.atEndOfTurn(this);
  }

  private write(frame: string | null): void {
    if (frame === null || !this.isOpen) return;
    this.openTurn();
    this.outbox.add(frame);
  }
}
