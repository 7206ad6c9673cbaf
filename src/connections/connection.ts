import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { ChatError } from '../protocol/chat-error.js';
import { CloseCode } from '../protocol/close-code.js';
import type { RecordAnswer, ServerCodec } from '../protocol/frames.js';
import { newId, type Message, type Receipt } from '../protocol/message.js';
import type { News } from '../protocol/news.js';
import type { Signal } from '../protocol/signal.js';
import type { Broadcast } from './broadcast.js';
import type { ConnectionContext } from './connection-context.js';
import type { ConnectionInfo, ConnectionOrigin } from './connection-info.js';
import type { Turn } from './end-of-turn.js';
import { CONFIRM_MS, Ending } from './ending.js';
import { Heartbeat } from './heartbeat.js';
import { pongFrame } from './outbox.js';
import { PongConfirmation } from './pong-confirmation.js';
import { Hold, Reading } from './reading.js';
import { SlowConsumer } from './slow-consumer.js';
import { TurnWriter } from './turn-writer.js';

/**
 * One WebSocket of one user: whose it is, and what delivery writes to it. TurnWriter writes to it, SlowConsumer says
 * whether the peer reads, Heartbeat whether it is alive, Reading whether its socket is read, and Ending how it ends.
 *
 * It does not promise that anything arrives: confirmations do.
 */
export class Connection implements ConnectionInfo, Turn {
  readonly id = newId();
  readonly user: string;
  readonly remoteAddress: string;
  readonly connectedAt: number;
  principal: unknown;
  /** When the last frame, ping or pong came, in milliseconds since 1970. */
  lastSeenAt: number;
  /** Messages and broadcasts written to it. */
  sent = 0;
  /** Frames that came from it. */
  received = 0;
  /** Whether its socket is read. */
  readonly reading: Reading;
  readonly ending: Ending;
  private readonly heartbeat: Heartbeat;
  private readonly slowConsumer: SlowConsumer;
  private readonly pongs: PongConfirmation;
  private readonly writer: TurnWriter;

  constructor(
    private readonly socket: WebSocket,
    readonly stream: Duplex,
    private readonly codec: ServerCodec,
    origin: ConnectionOrigin,
    private readonly context: ConnectionContext,
  ) {
    this.user = origin.user;
    this.remoteAddress = origin.remoteAddress;
    this.principal = origin.principal;
    this.connectedAt = this.lastSeenAt = this.now();
    this.reading = new Reading(socket, stream);
    this.heartbeat = new Heartbeat(this.reading);
    this.slowConsumer = new SlowConsumer(this.reading, context.options);
    this.pongs = new PongConfirmation(context.options);
    this.ending = new Ending(socket, this.pongs, context.closedByCode);
    this.writer = new TurnWriter(socket, stream, codec, this.slowConsumer, this.pongs);
    // The welcome has to be the first frame of a JSON connection, so the client is not read until it is written.
    if (this.protocol === 'json') this.reading.hold(Hold.OPENING);
  }

  get protocol(): 'text' | 'json' {
    return this.codec.protocol;
  }

  /** Whether it may be written more than replies. */
  get isOpen(): boolean {
    return this.ending.isOpen;
  }

  /** Whether frames that still come from it are ignored, except what confirms messages. */
  get isRevoked(): boolean {
    return !this.ending.maySend;
  }

  /** Bytes that are buffered for it. */
  get bufferedBytes(): number {
    return this.writer.bufferedBytes;
  }

  /** Whether its peer does not read what it is sent. Then its socket is not read. */
  get isSlowConsumer(): boolean {
    return this.slowConsumer.isSlow;
  }

  /** Returns what the application may know of it, as a separate object. */
  info(): ConnectionInfo {
    const { id, user, protocol, remoteAddress, connectedAt, principal } = this;
    return { id, user, protocol, remoteAddress, connectedAt, principal };
  }

  onOpened(pending: number | null): void {
    if (this.protocol === 'text') return;
    const { user, id: connectionId, context } = this;
    this.write(this.codec.welcome({ user, connectionId, pending, ...context.limits, serverTime: this.now() }));
    this.reading.release(Hold.OPENING);
  }

  onMessage(message: Message, seq: number, delayed: boolean, isAwaited: boolean): void {
    this.sent += 1;
    if (this.isOpen) this.inTurn().writeMessage(this.codec.message(message, seq, delayed), seq, isAwaited);
  }

  onBroadcast(broadcast: Broadcast): boolean {
    if (!this.isOpen) return false;
    if (this.slowConsumer.skipsBroadcasts(this.bufferedBytes)) {
      this.context.broadcastsSkipped += 1;
      return false;
    }
    this.sent += 1;
    this.inTurn().writeFrame(broadcast.frameFor(this.codec));
    return true;
  }

  onCaughtUp(delivered: number): void {
    this.write(this.codec.caughtUp(delivered));
  }

  /** Writes a signal; returns false if it would come late, because the peer does not read, or never, to a text client. */
  writeSignal(signal: Signal): boolean {
    if (!this.isOpen || this.isSlowConsumer || this.slowConsumer.skipsBroadcasts(this.bufferedBytes)) return false;
    const text = this.codec.signal(signal);
    this.write(text);
    return text !== null;
  }

  writeReceipt(receipt: Receipt): void {
    if (this.protocol === 'json') this.inTurn().addReceipt(receipt);
  }

  /** Tells news, unless the peer does not read. */
  writeNews(news: News): void {
    // The welcome has to be the first frame.
    if (this.reading.isHeldFor(Hold.OPENING) || this.isSlowConsumer || !this.isOpen) return;
    if ('echo' in news && this.slowConsumer.skipsBroadcasts(this.bufferedBytes)) return;
    const text = this.codec.news(news, this.user);
    if (text !== null) this.inTurn().writeNews(text);
  }

  writeRecord(answer: RecordAnswer): void {
    this.write(this.codec.record(answer));
  }

  writeRenewed(expiresAt: number | null): void {
    this.write(this.codec.renewed(expiresAt));
  }

  writeRefusal(error: ChatError, id: string | undefined): void {
    this.write(this.codec.exception(error, id));
  }

  /** Writes a pong: the frame of WebSocket for a ping with this payload, or that of the JSON protocol. */
  writePong(payload?: Buffer): void {
    if (payload === undefined) this.write(this.codec.pong());
    else if (this.ending.takesReplies) this.inTurn().writeFrame(pongFrame(payload));
  }

  writePing(): void {
    this.inTurn().writePing();
  }

  /** Notes that a frame came. */
  handleFrame(): void {
    this.received += 1;
    this.handleSignOfLife();
  }

  /** Notes that a ping or a pong came. */
  handleSignOfLife(): void {
    this.lastSeenAt = this.now();
  }

  /**
   * Notes a pong. Returns the seq up to which it confirms what was written; null if it does not belong to one of our
   * pings.
   */
  handlePong(payload: Buffer): number | null {
    this.handleSignOfLife();
    this.heartbeat.handlePong();
    const seq = this.pongs.confirmedBy(payload);
    // One fewer is outstanding, so a ping that is due can be written at the end of this turn.
    if (this.owesPing && this.pongs.isDue) this.inTurn();
    return seq;
  }

  /** Asks the peer to confirm the message with this seq, unless a ping does already. */
  askFor(seq: number): void {
    if (this.ending.takesReplies && this.pongs.hurry(seq)) this.inTurn();
  }

  /** Pings the peer, or closes the connection if the peer seems dead. */
  beat(): void {
    if (!this.isOpen) return;
    const verdict = this.slowConsumer.handleHeartbeat() ? 'dead' : this.heartbeat.beat();
    if (verdict === 'ask') this.writePing();
    else if (verdict === 'dead') this.abandon(CloseCode.NO_PONG, 'no pong within the heartbeat');
    else if (verdict === 'flooding') {
      this.hangUp(CloseCode.SLOW_CONSUMER, 'too many frames wait to be handled, and no pong came; reconnect later');
    }
  }

  /**
   * Writes only replies to it from now on. Resolves when the peer has confirmed what it got, is gone, or this many
   * milliseconds are over: then it is to be closed.
   */
  finish(withinMs: number): Promise<void> {
    this.ending.begin('finishing');
    if (this.owesPing) this.askFor(this.pongs.writtenSeq);
    return this.ending.whenConfirmed(this.context.options.clock, withinMs);
  }

  /** Revokes it when the peer has confirmed what it got, or a second later. Until then the peer can only confirm. */
  dismiss(code: number, reason: string): void {
    if (this.isRevoked) return;
    if (this.ending.isConfirmed || !this.ending.takesReplies) return this.revoke(code, reason);
    this.ending.begin('dismissed');
    void this.finish(CONFIRM_MS).then(() => this.revoke(code, reason));
  }

  /** Closes it with a code and a reason. What was written before is sent first, and frames that come are handled. */
  close(code: number, reason: string): void {
    this.ending.close('closing', code);
    if (this.owesPing) this.askFor(this.pongs.writtenSeq);
    this.endTurn();
    this.socket.close(code, reason);
    this.reading.releaseAll();
  }

  /**
   * Closes it and handles nothing more from it, not even frames that were already read: a peer may go on to write as
   * long as it likes.
   */
  revoke(code: number, reason: string): void {
    if (!this.ending.mayConfirm) return;
    this.ending.close('revoked', code);
    this.close(code, reason);
    this.reading.stop(this.context.options.clock);
  }

  /**
   * Closes it and reads nothing more from it. What waits in the send queue is handed over first, except what waits for
   * `authorize`.
   */
  hangUp(code: number, reason: string): void {
    this.close(code, reason);
    this.ending.close('revoked', code);
    this.reading.stop(this.context.options.clock);
  }

  /**
   * Closes it without waiting for the peer's close frame. A dead peer would otherwise count as connected, and its
   * messages would wait for it. A peer that is alive and only did not pong still gets the code: if nothing is buffered
   * before it, the close frame is in the kernel when the socket is destroyed.
   */
  abandon(code: number, reason: string): void {
    this.close(code, reason);
    this.socket.terminate();
  }

  /** Ends the turn: what was written in it is sent. Closes the connection with 1013 if too much is buffered. */
  endTurn(): void {
    if (!this.writer.endTurn()) return;
    const late = this.protocol === 'text' ? this.pongs.takeLate() : null;
    if (late !== null) this.context.latePings.add(this, late);
    if (!this.slowConsumer.handleEndOfTurn(this.bufferedBytes) || !this.ending.takesReplies) return;
    // What waits is freed when the close times out. Unconfirmed messages in it are in the store, or will be.
    this.revoke(CloseCode.SLOW_CONSUMER, 'too much waits to be read; reconnect later');
  }

  /** Only a text connection confirms by pongs. */
  private get owesPing(): boolean {
    return this.protocol === 'text' && this.pongs.owesPing;
  }

  private now(): number {
    return this.context.options.clock.now();
  }

  private write(text: string | null): void {
    if (text !== null && this.ending.takesReplies) this.inTurn().writeText(text);
  }

  /** Returns the writer, in a turn that is sure to end. */
  private inTurn(): TurnWriter {
    if (this.writer.openTurn()) this.context.turns.add(this);
    return this.writer;
  }
}
