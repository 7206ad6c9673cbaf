import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { ServerCodec } from '../protocol/frames.js';
import type { Receipt } from '../protocol/message.js';
import { Outbox, pingFrame } from './outbox.js';
import type { PongConfirmation } from './pong-confirmation.js';
import type { SlowConsumer } from './slow-consumer.js';

/** Bytes above which a turn sends what it has gathered without waiting for its end. */
const TURN_BYTES = 64 * 1024;

/**
 * Writes to one connection. What is written in one turn of the event loop is sent in one system call, unless it is more
 * than 64 KiB. On a JSON connection it is followed by one frame with all receipts, on a text connection by a ping that
 * asks for confirmation, unless a later one is to ask.
 */
export class TurnWriter {
  private readonly outbox = new Outbox();
  private isTurnOpen = false;
  /** Receipts of this turn; null until there is one, as most connections are idle. */
  private receipts: Receipt[] | null = null;

  constructor(
    private readonly socket: WebSocket,
    private readonly stream: Duplex,
    private readonly codec: ServerCodec,
    private readonly slowConsumer: SlowConsumer,
    private readonly pongs: PongConfirmation,
  ) {}

  /** Bytes that are buffered, in this turn and in the socket. */
  get bufferedBytes(): number {
    return this.socket.bufferedAmount + this.outbox.bytes;
  }

  /** Opens the turn, before something is written. Returns false if it is already open. */
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

  writeMessage(text: string, seq: number, isAwaited: boolean): void {
    this.pongs.wrote(seq, isAwaited);
    this.writeText(text);
  }

  /** Adds a receipt to those of this turn. */
  addReceipt(receipt: Receipt): void {
    if (this.receipts) this.receipts.push(receipt);
    else this.receipts = [receipt];
  }

  /** Writes news behind the receipts of this turn: what they are about may be among those. */
  writeNews(text: string): void {
    if (this.receipts) this.writeReceipts(this.receipts);
    this.writeText(text);
  }

  /**
   * Writes a ping behind what the turn has gathered, which its pong then confirms. Writes nothing if too many pings are
   * outstanding: the pong of one of those serves as well.
   */
  writePing(): void {
    const nonce = this.pongs.ask();
    if (nonce) this.writeFrame(pingFrame(nonce));
  }

  /** Sends what was gathered. Returns false if nothing was written since the last turn ended. */
  endTurn(): boolean {
    if (!this.isTurnOpen) return false;
    if (this.receipts) this.writeReceipts(this.receipts);
    if (this.codec.protocol === 'text') this.askAtEndOfTurn();
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
    if (!this.pongs.isDue || !this.isOpen) return;
    const nonce = this.pongs.ask();
    if (nonce) this.outbox.addFrame(pingFrame(nonce));
  }

  /**
   * Sends early in a long turn, which can bring more than memory should hold: a megabyte of short frames makes a reply
   * of 150 bytes for each.
   */
  private boundTurn(): void {
    if (this.outbox.bytes > TURN_BYTES) this.flush();
  }

  /** Hands what was gathered to the socket, and notes what stays buffered. */
  private flush(): void {
    const frames = this.outbox.take();
    // Nothing may follow a close frame [RFC 6455 5.5.1]. What is left is unconfirmed, so it will be stored.
    if (frames && this.isOpen) this.stream.write(frames);
    if (this.slowConsumer.handleWrite(this.bufferedBytes)) {
      this.stream.once('drain', () => this.slowConsumer.handleAllSent());
    }
  }
}
