import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { ChatError } from '../protocol/chat-error.js';
import { CloseCode } from '../protocol/close-code.js';
import type { ServerCodec } from '../protocol/frames.js';
import { newId, type Message, type Receipt } from '../protocol/message.js';
import type { ConnectionInfo, ConnectionLimits, ConnectionOrigin } from './connection-info.js';
import type { ConnectionKeeper } from './connection-keeper.js';
import { Heartbeat, type Ending } from './heartbeat.js';
import { Outbox, pingFrame, pongFrame } from './outbox.js';
import { RateLimits } from '../gateway/rate-limits.js';
import { PongConfirmation } from './pong-confirmation.js';
import { Hold, Reading } from './reading.js';

/** So many bytes are gathered in one turn before they leave without waiting for its end. */
const TURN_BYTES = 64 * 1024;

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
  /** How fast its peer sends. */
  readonly pace: RateLimits;
  /** Whether it is read. */
  readonly reading: Reading;
  private readonly pulse: Heartbeat;
  private turnOpen = false;
  private readonly outbox = new Outbox();
  private receipts: Receipt[] = [];
  private writtenSeq = 0;
  private askedSeq = 0;
  private readonly pongs = new PongConfirmation();
  /** Too much waits to leave; and did so at the heartbeat before. */
  private choked: false | 'now' | 'for a heartbeat' = false;
  /** How much waited at the end of the turn that brought too much; null until it ends. */
  private chokedAtBytes: number | null = null;
  private revoked = false;
  private endCounted = false;

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
    this.pace = new RateLimits(limits, keeper);
    this.reading = new Reading(socket, stream);
    this.pulse = new Heartbeat(this.reading);
    // The first frame of a JSON connection is the welcome: what comes from the client waits until it is written.
    if (this.protocol === 'json') this.reading.hold(Hold.OPENING);
  }

  get protocol(): 'text' | 'json' {
    return this.codec.protocol;
  }

  get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  /** What comes from it until it is gone is not handled. */
  get isRevoked(): boolean {
    return this.revoked;
  }

  /** Bytes that wait to leave. */
  get bufferedBytes(): number {
    return this.socket.bufferedAmount + this.outbox.bytes;
  }

  /** It does not read what it is written: it gets no broadcasts, and is not listened to. */
  get isChoked(): boolean {
    return this.choked !== false;
  }

  onOpened(pending: number | null): void {
    if (this.protocol === 'text') return;
    const { user, id: connectionId } = this;
    const { ackWindow, maxContentBytes, heartbeatMs } = this.limits;
    const serverTime = this.keeper.now();
    this.write(
      this.codec.welcome({ user, connectionId, pending, ackWindow, maxContentBytes, heartbeatMs, serverTime }),
    );
    this.reading.release(Hold.OPENING);
  }

  onMessage(message: Message, seq: number, late: boolean): void {
    this.sent += 1;
    this.writtenSeq = seq;
    this.write(this.codec.message(message, seq, late));
  }

  onBroadcast(message: Omit<Message, 'to'>): boolean {
    if (!this.isOpen) return false;
    if (this.bufferedBytes > this.limits.slowBufferBytes) {
      this.keeper.onBroadcastSkipped();
      return false;
    }
    this.sent += 1;
    this.writeFrame(this.keeper.broadcastFrame(message, this.codec));
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

  onFrame(): void {
    this.received += 1;
    this.lastSeenAt = this.keeper.now();
  }

  /** Counts a frame that brings nothing to send, and says whether to handle it; over their rate the connection is closed with 4429. */
  mayOverhead(): boolean {
    const may = this.pace.takeOverhead();
    if (!may) this.revoke(CloseCode.TOO_MANY_FRAMES, 'too many pings, pongs, unreadable frames or acks of nothing');
    return may;
  }

  /** Answers a ping, behind the answers to the frames before it that did not have to wait. */
  onPing(payload: Buffer): void {
    if (this.revoked) return;
    this.lastSeenAt = this.keeper.now();
    if (this.mayOverhead() && this.isOpen) this.writeFrame(pongFrame(payload));
  }

  /** Notes a pong; answers the seq that it confirms, if it does. Only a text connection confirms this way [protocol 3.2]. */
  onPong(payload: Buffer): number | null {
    if (this.revoked) return null;
    this.lastSeenAt = this.keeper.now();
    this.pulse.onPong();
    const seq = this.pongs.confirmedBy(payload);
    if (seq === null) this.mayOverhead();
    if (this.codec.protocol !== 'text') return null;
    if (this.askedSeq < this.writtenSeq) this.openTurn(); // A ping was held back; now one may go.
    return seq;
  }

  /** Asks for a pong, and closes nothing; answers why to end the connection, or null. */
  heartbeat(): Ending | null {
    if (!this.isOpen) return null;
    if (this.choked === 'for a heartbeat') return CloseCode.NO_PONG; // All the time it took nothing from us.
    if (this.choked) this.choked = 'for a heartbeat';
    return this.pulse.beat(() => this.ping());
  }

  /** Asks for a pong. With too many unanswered one of those serves. It goes behind what waits for the end of the turn: its pong confirms that. */
  ping(): void {
    const nonce = this.pongs.ask(this.writtenSeq);
    if (nonce) this.writeFrame(pingFrame(nonce));
  }

  /** Says goodbye with a close code and a reason; what was written before leaves first. */
  close(code: number, reason: string): void {
    if (this.isOpen) this.countEnd(code);
    this.endTurn();
    this.socket.close(code, reason);
    this.reading.releaseAll();
  }

  /** Closes it and takes nothing more from it, be it read or not: a peer may go on to write for as long as it likes. */
  revoke(code: number, reason: string): void {
    if (this.revoked) return;
    this.revoked = true;
    this.hangUp(code, reason);
  }

  /** Closes it and reads nothing more from it; what was read is taken. */
  hangUp(code: number, reason: string): void {
    this.close(code, reason);
    this.revoked = true;
    this.reading.stop((ms, callback) => this.keeper.after(ms, callback));
  }

  /** Notes that `ws` closes it with this code: what came is no frame, or none that may come. */
  onBadFrame(code: number): void {
    this.countEnd(code);
  }

  /**
   * Closes it and waits for no answer: until the dead peer was gone its messages would wait for it, and it would count. One that lives,
   * and only did not pong, still hears why: with nothing before it, the goodbye is in the kernel's hands when the socket is closed.
   */
  abandon(code: number, reason: string): void {
    this.close(code, reason);
    this.socket.terminate();
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
    this.flush();
    if (!this.choked) return;
    const bytes = this.bufferedBytes;
    if (this.chokedAtBytes === null) this.chokedAtBytes = bytes;
    else if (bytes > this.limits.maxBufferedBytes && bytes > this.chokedAtBytes + this.limits.slowBufferBytes) {
      // What one turn has brought alone is no reason, or even a quick reader could never get a long message, or a backlog
      // of them. `closeTimeout` frees what waits, and what of it was not confirmed is in the store or goes there.
      if (this.isOpen) this.revoke(CloseCode.TOO_SLOW, 'too much waits to be read; reconnect later');
    }
  }

  /** Hands what was gathered to the kernel, as far as that takes it. */
  private flush(): void {
    const frames = this.outbox.take();
    // After a goodbye nothing may follow [RFC 6455 5.5.1]; what is left is unconfirmed, and stored.
    if (frames && this.isOpen) this.stream.write(frames);
    if (!this.choked && this.bufferedBytes > this.limits.slowBufferBytes) this.choke();
  }

  /** Once: a peer that was told goodbye may go on to write what is no frame. */
  private countEnd(code: number): void {
    if (!this.endCounted) this.keeper.onClosed(code);
    this.endCounted = true;
  }

  private choke(): void {
    this.choked = 'now';
    this.chokedAtBytes = null;
    this.reading.hold(Hold.CHOKED);
    this.stream.once('drain', () => {
      this.choked = false;
      this.reading.release(Hold.CHOKED);
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
    this.boundTurn();
  }

  private writeFrame(frame: Buffer): void {
    this.openTurn();
    this.outbox.addFrame(frame);
    this.boundTurn();
  }

  /** A turn can bring more than memory should hold: a megabyte of short frames, each with an answer of 150 bytes. */
  private boundTurn(): void {
    if (this.outbox.bytes > TURN_BYTES) this.flush();
  }
}
