import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { ServerCodec } from '../protocol/frames.js';
import type { Receipt } from '../protocol/message.js';
import { Outbox, pingFrame } from './outbox.js';
import { PongConfirmation } from './pong-confirmation.js';
import type { SlowConsumer } from './slow-consumer.js';

/** When this many bytes are gathered in one turn they leave without waiting for its end. */
const TURN_BYTES = 64 * 1024;

/**
 * Writes to one connection. What is written in one turn of the event loop leaves in one system call, followed on a text
 * connection by one ping that asks for confirmation, and on a JSON connection by one frame with all receipts.
 */
export class TurnWriter {
  private readonly outbox = new Outbox();
  private readonly pongs = new PongConfirmation();
  private isTurnOpen = false;
  /** Receipts of this turn; null until there is one, as most connections are idle. */
  private receipts: Receipt[] | null = null;
  /** The seq of the last message that was written, and of the last that a ping at the end of a turn asked about. */
  private writtenSeq = 0;
  private askedSeq = 0;

  constructor(
    private readonly socket: WebSocket,
    private readonly stream: Duplex,
    private readonly codec: ServerCodec,
    private readonly slowConsumer: SlowConsumer,
  ) {}

  /** Bytes that wait to leave. */
  get bufferedBytes(): number {
    return this.socket.bufferedAmount + this.outbox.bytes;
  }

  /** A text connection has got something for which no ping could ask yet, as too many were unanswered. */
  get owesPing(): boolean {
    return this.codec.protocol === 'text' && this.askedSeq < this.writtenSeq;
  }

  /** Opens the turn, before something is written. Returns false when it is open already. */
  openTurn(): boolean {
    if (this.isTurnOpen) return false;
    this.isTurnOpen = true;
    return true;
  }

  writeText(text: string): void {
    this.outbox.add(text);
    this.boundTurn();
  }

  writeFrame(frame: Buffer): void {
    this.outbox.addFrame(frame);
    this.boundTurn();
  }

  writeMessage(text: string, seq: number): void {
    this.writtenSeq = seq;
    this.writeText(text);
  }

  /** Adds a receipt to those of this turn. */
  addReceipt(receipt: Receipt): void {
    if (this.receipts) this.receipts.push(receipt);
    else this.receipts = [receipt];
  }

  /**
   * Asks for a pong. It goes behind what waits for the end of the turn: its pong confirms that. With too many pings
   * unanswered nothing is written, as one of those serves.
   */
  writePing(): void {
    const nonce = this.pongs.ask(this.writtenSeq);
    if (nonce) this.writeFrame(pingFrame(nonce));
  }

  /** The seq that this pong confirms, with everything before it; null when it belongs to none of our pings. */
  confirmedBy(pong: Buffer): number | null {
    return this.pongs.confirmedBy(pong);
  }

  /** Sends what was gathered. Returns false when nothing was written since the last turn ended. */
  endTurn(): boolean {
    if (!this.isTurnOpen) return false;
    if (this.receipts) this.writeReceipts(this.receipts);
    if (this.owesPing && this.isOpen) this.askAtEndOfTurn();
    this.isTurnOpen = false;
    this.flush();
    return true;
  }

  private get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  private writeReceipts(receipts: readonly Receipt[]): void {
    this.receipts = null;
    const frame = this.codec.receipts(receipts);
    if (frame !== null && this.isOpen) this.writeText(frame);
  }

  private askAtEndOfTurn(): void {
    const nonce = this.pongs.ask(this.writtenSeq);
    if (!nonce) return;
    this.askedSeq = this.writtenSeq;
    this.outbox.addFrame(pingFrame(nonce));
  }

  /** A turn can bring more than memory should hold: a megabyte of short frames, each with an answer of 150 bytes. */
  private boundTurn(): void {
    if (this.outbox.bytes > TURN_BYTES) this.flush();
  }

  /** Hands what was gathered to the kernel, as far as the kernel takes it. */
  private flush(): void {
    const frames = this.outbox.take();
    // Nothing may follow a close frame [RFC 6455 5.5.1]. What is left is unconfirmed, and stored.
    if (frames && this.isOpen) this.stream.write(frames);
    if (this.slowConsumer.handleWrite(this.bufferedBytes)) {
      this.stream.once('drain', () => this.slowConsumer.handleDrain());
    }
  }
}
