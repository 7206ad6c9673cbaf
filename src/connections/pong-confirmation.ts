import { randomBytes } from 'node:crypto';
import type { ChatOptions } from '../options/chat.options.js';

/** How many pings of one connection may be outstanding. Then the ping of the next batch waits [protocol 3.2]. */
const MAX_OUTSTANDING = 8;
/** A message that comes sooner than this after the last ping, in milliseconds, shares the next one. */
const SHARE_MS = 40;
/** A message waits at most this long for a ping that others share, in milliseconds [protocol 3.2]. */
export const LATE_PING_MS = 50;
/**
 * At most this many messages share a ping. More would stay in memory so long that the garbage collector copies them,
 * which costs more than the ping.
 */
const SHARED_BY = 16;
/** With a shorter `persistAfterMs` no message waits for a ping: the wait would be a large part of that time. */
const LEAST_PERSIST_AFTER_MS = 4 * LATE_PING_MS;
/** Eight bytes for the secret of this connection, and eight for the number of the ping. */
const NONCE_BYTES = 16;
const TWO_32 = 0x1_0000_0000;

/**
 * Turns a pong, which every RFC 6455 client sends by itself, into a confirmation. A ping carries a nonce that nobody
 * can guess. As TCP keeps the order, its pong proves that everything written before the ping has reached the peer's
 * WebSocket stack. It does not prove that a person, or even the page, has seen anything.
 *
 * The pong of a lone message is a third system call for it, so messages that come close together share a ping:
 *
 * | a message is asked about | when                                                                                   |
 * | ------------------------ | -------------------------------------------------------------------------------------- |
 * | at once                  | no ping was written for 40 ms, it is the sixteenth since the last one, its             |
 * |                          | confirmation is awaited, or the peer is far away                                       |
 * | late                     | otherwise: together with the next one that is asked about at once, or within 50 ms     |
 *
 * The peer is far away unless its last pong came within half of `persistAfterMs`. It would not confirm a message that
 * waits for a ping before that is stored.
 */
export class PongConfirmation {
  /** Made with the first ping. To make it at the start would make a storm of new connections a tenth more expensive. */
  private secret: { readonly high: number; readonly low: number } | null = null;
  private counter = 0;
  private readonly outstanding: { counter: number; seq: number; askedAt: number }[] = [];
  /** The seq of the last message that was written. */
  writtenSeq = 0;
  /** The seq of the last message that a ping asks about. */
  private askedSeq = 0;
  /** The seq of the last message that a late ping was scheduled for. */
  private lateSeq = 0;
  /** When the last ping was written, by the monotonic clock. */
  private askedAt = 0;
  /** Somebody waits for the confirmation of what was written. */
  private isAwaited = false;
  /** How long the last pong took, in milliseconds; null before there was one. */
  private roundTripMs: number | null = null;

  constructor(private readonly options: Pick<ChatOptions, 'clock' | 'persistAfterMs'>) {}

  /** Notes that a message was written. `isAwaited`: somebody waits for its confirmation. */
  wrote(seq: number, isAwaited: boolean): void {
    this.writtenSeq = seq;
    this.isAwaited ||= isAwaited;
  }

  /** Whether no ping asks about the last message yet. */
  get owesPing(): boolean {
    return this.askedSeq < this.writtenSeq;
  }

  /**
   * Returns the last message if a late ping has to ask about it; null if a ping does, or if a late ping comes anyway.
   */
  takeLate(): number | null {
    if (!this.owesPing || this.lateSeq > this.askedSeq) return null;
    return (this.lateSeq = this.writtenSeq);
  }

  /** Whether a ping has to be written at the end of this turn. */
  get isDue(): boolean {
    if (!this.owesPing) return false;
    if (this.isAwaited || this.writtenSeq - this.askedSeq >= SHARED_BY) return true;
    const now = this.options.clock.monotonic();
    return now - this.askedAt >= SHARE_MS || this.isFarAway(now);
  }

  /** Notes that a ping has to ask about this message in this turn; returns false if one does already. */
  hurry(seq: number): boolean {
    if (seq <= this.askedSeq) return false;
    this.isAwaited = true;
    return true;
  }

  /**
   * Returns the nonce of a ping that asks to confirm everything that was written; null if too many pings are
   * outstanding.
   */
  ask(): Buffer | null {
    if (this.outstanding.length >= MAX_OUTSTANDING) return null;
    this.secret ??= newSecret();
    this.counter += 1;
    this.askedAt = this.options.clock.monotonic();
    this.askedSeq = this.writtenSeq;
    this.isAwaited = false;
    this.outstanding.push({ counter: this.counter, seq: this.writtenSeq, askedAt: this.askedAt });
    // Written in halves: a bigint and a slice for each ping and pong cost a thirtieth of a relayed message.
    const nonce = Buffer.allocUnsafe(NONCE_BYTES);
    nonce.writeUInt32BE(this.secret.high, 0);
    nonce.writeUInt32BE(this.secret.low, 4);
    nonce.writeUInt32BE(Math.floor(this.counter / TWO_32), 8);
    nonce.writeUInt32BE(this.counter % TWO_32, 12);
    return nonce;
  }

  /**
   * Returns the seq that this pong confirms, with everything before it; null if it does not belong to one of our pings.
   * A client may reply to only the latest of several pings [RFC 6455 5.5.3], so its pong confirms the earlier ones too.
   */
  confirmedBy(pong: Buffer): number | null {
    if (!this.secret || pong.length !== NONCE_BYTES) return null;
    if (pong.readUInt32BE(0) !== this.secret.high || pong.readUInt32BE(4) !== this.secret.low) return null;
    const counter = pong.readUInt32BE(8) * TWO_32 + pong.readUInt32BE(12);
    const index = this.outstanding.findIndex((ping) => ping.counter === counter);
    if (index < 0) return null;
    const { seq, askedAt } = this.outstanding.splice(0, index + 1).at(-1)!;
    this.roundTripMs = this.options.clock.monotonic() - askedAt;
    return seq;
  }

  private isFarAway(now: number): boolean {
    const { persistAfterMs } = this.options;
    if (this.roundTripMs === null || persistAfterMs < LEAST_PERSIST_AFTER_MS) return true;
    const [oldest] = this.outstanding;
    const roundTripMs = oldest ? Math.max(this.roundTripMs, now - oldest.askedAt) : this.roundTripMs;
    return roundTripMs > persistAfterMs / 2;
  }
}

function newSecret(): { high: number; low: number } {
  const bytes = randomBytes(8);
  return { high: bytes.readUInt32BE(0), low: bytes.readUInt32BE(4) };
}
