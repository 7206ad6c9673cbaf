import { randomBytes } from 'node:crypto';

/** How many pings of one connection may be outstanding. Then the ping of the next batch waits [protocol 3.2]. */
const MAX_OUTSTANDING = 8;
/** Eight bytes for the secret of this connection, and eight for the number of the ping. */
const NONCE_BYTES = 16;
const TWO_32 = 0x1_0000_0000;

/**
 * Turns a pong, which every RFC 6455 client sends by itself, into a confirmation. A ping carries a nonce that nobody
 * can guess. As TCP keeps the order, its pong proves that everything written before the ping has reached the peer's
 * WebSocket stack. It does not prove that a person, or even the page, has seen anything.
 */
export class PongConfirmation {
  /** Made with the first ping. To make it at the start would make a storm of new connections a tenth more expensive. */
  private secret: { readonly high: number; readonly low: number } | null = null;
  private counter = 0;
  private readonly outstanding: { counter: number; seq: number }[] = [];

  /**
   * Returns the nonce of a ping that asks to confirm everything up to `seq`; null if too many pings are outstanding.
   */
  ask(seq: number): Buffer | null {
    if (this.outstanding.length >= MAX_OUTSTANDING) return null;
    this.secret ??= newSecret();
    this.counter += 1;
    this.outstanding.push({ counter: this.counter, seq });
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
    return this.outstanding.splice(0, index + 1).at(-1)!.seq;
  }
}

function newSecret(): { high: number; low: number } {
  const bytes = randomBytes(8);
  return { high: bytes.readUInt32BE(0), low: bytes.readUInt32BE(4) };
}
