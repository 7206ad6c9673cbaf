import { randomBytes } from 'node:crypto';

/** Pings that may be without their pong on one connection; then the next batch's ping waits [protocol 3.2]. */
const MAX_OUTSTANDING = 8;
const SECRET_BYTES = 8;

/**
 * Turns the pong that every RFC 6455 client sends by itself into a confirmation. A ping carries a nonce that nobody can
 * guess; its pong proves that all that was written before it has reached the peer's WebSocket stack, as TCP keeps the
 * order. It does not prove that a person, or even the page, has seen anything.
 */
export class PongConfirmation {
  /** Made with the first ping: a crowd that connects at once would cost a tenth more. */
  private secret: Buffer | null = null;
  private counter = 0;
  private readonly outstanding: { counter: number; seq: number }[] = [];

  /** The nonce of a ping that asks for the confirmation of everything up to `seq`; null while too many are unanswered. */
  ask(seq: number): Buffer | null {
    if (this.outstanding.length >= MAX_OUTSTANDING) return null;
    this.secret ??= randomBytes(SECRET_BYTES);
    this.counter += 1;
    this.outstanding.push({ counter: this.counter, seq });
    const nonce = Buffer.alloc(SECRET_BYTES + 8);
    this.secret.copy(nonce);
    nonce.writeBigUInt64BE(BigInt(this.counter), SECRET_BYTES);
    return nonce;
  }

  /**
   * The seq that this pong confirms, with everything before it; null for a pong that answers no ping of ours. A client
   * may answer only the latest of several pings [RFC 6455 5.5.3], so that one confirms the earlier ones too.
   */
  confirmedBy(pong: Buffer): number | null {
    if (!this.secret || pong.length !== SECRET_BYTES + 8) return null;
    if (!this.secret.equals(pong.subarray(0, SECRET_BYTES))) return null;
    const counter = Number(pong.readBigUInt64BE(SECRET_BYTES));
    const index = this.outstanding.findIndex((ping) => ping.counter === counter);
    if (index < 0) return null;
    return this.outstanding.splice(0, index + 1).at(-1)!.seq;
  }
}
