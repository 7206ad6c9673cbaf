import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
export const EPOCH_BYTES = 16;

/** The first byte of a packet: its format. */
const FORMAT = 1;
/** The format, sender, receiver, epochs of both, number. All of it is authenticated. */
const HEADER_BYTES = 1 + 8 + 8 + EPOCH_BYTES + EPOCH_BYTES + 8;
/** What a packet adds to what is in it, in bytes. */
export const SEAL_BYTES = HEADER_BYTES + TAG_BYTES;

/** The epoch of a receiver that the sender does not know yet. */
export const NO_EPOCH = Buffer.alloc(EPOCH_BYTES);

/** One direction of a link. Each side draws its epoch at random for this one link. */
export interface Direction {
  readonly sender: number;
  readonly receiver: number;
  readonly senderEpoch: Buffer;
  readonly receiverEpoch: Buffer;
}

/** The part of a packet that anybody can read. It is worth nothing before the packet was opened. */
export interface Header extends Direction {
  readonly number: number;
}

/** Returns the header; null when this is not a packet. */
export function headerOf(packet: Buffer): Header | null {
  if (packet.length < SEAL_BYTES || packet[0] !== FORMAT) return null;
  const [sender, receiver, number] = [1, 9, HEADER_BYTES - 8].map((at) => Number(packet.readBigUInt64BE(at)));
  if (![sender, receiver, number].every(Number.isSafeInteger)) return null;
  return {
    sender: sender!,
    receiver: receiver!,
    senderEpoch: packet.subarray(17, 17 + EPOCH_BYTES),
    receiverEpoch: packet.subarray(17 + EPOCH_BYTES, 17 + 2 * EPOCH_BYTES),
    number: number!,
  };
}

/**
 * Makes the keys of links from the key of the cluster. Whoever has access to the engine of the bus can read the headers
 * and the sizes of packets, and nothing else; what they publish themselves is not opened.
 */
export class Seal {
  private readonly key: KeyObject;

  /** `key` is the cluster's secret, of 32 bytes; `cluster` is its public name. */
  constructor(
    key: Buffer,
    private readonly cluster: string,
  ) {
    if (key.length !== KEY_BYTES) throw new Error(`The key of the cluster has ${key.length} bytes instead of 32.`);
    this.key = createSecretKey(key);
  }

  /**
   * A key for one direction of one link. The sender has drawn its epoch for this link alone, so no other sender, link
   * or process has the same key.
   */
  keyOf({ sender, receiver, senderEpoch, receiverEpoch }: Direction): KeyObject {
    const info = `holdfast link ${this.cluster} ${sender} ${receiver}`;
    const salt = Buffer.concat([senderEpoch, receiverEpoch]);
    return createSecretKey(Buffer.from(hkdfSync('sha256', this.key, salt, info, KEY_BYTES)));
  }
}

/** Seals the packets of one direction. It numbers them, and the number is the nonce: none is used twice with a key. */
export class Sealer {
  private readonly key: KeyObject;
  private readonly header: Buffer;
  private number = 0;

  constructor(seal: Seal, { sender, receiver, senderEpoch, receiverEpoch }: Direction) {
    this.key = seal.keyOf({ sender, receiver, senderEpoch, receiverEpoch });
    this.header = Buffer.alloc(HEADER_BYTES);
    this.header[0] = FORMAT;
    this.header.writeBigUInt64BE(BigInt(sender), 1);
    this.header.writeBigUInt64BE(BigInt(receiver), 9);
    senderEpoch.copy(this.header, 17);
    receiverEpoch.copy(this.header, 17 + EPOCH_BYTES);
  }

  /** Packet 0, which is empty. It is always the same bytes, so it may be made again. */
  greeting(): Buffer {
    return this.sealed(0, Buffer.alloc(0));
  }

  /** The next packet, from 1 on. */
  seal(body: Buffer): Buffer {
    return this.sealed((this.number += 1), body);
  }

  private sealed(number: number, body: Buffer): Buffer {
    const header = Buffer.from(this.header);
    header.writeBigUInt64BE(BigInt(number), HEADER_BYTES - 8);
    const cipher = createCipheriv(CIPHER, this.key, nonceOf(number)).setAAD(header);
    return Buffer.concat([header, cipher.update(body), cipher.final(), cipher.getAuthTag()]);
  }
}

/** Opens the packets of one direction. */
export class Opener {
  private readonly key: KeyObject;

  constructor(seal: Seal, direction: Direction) {
    this.key = seal.keyOf(direction);
  }

  /** Returns what is in the packet; null when its sender did not have the key, or something of it was changed. */
  open(packet: Buffer, number: number): Buffer | null {
    const end = packet.length - TAG_BYTES;
    const decipher = createDecipheriv(CIPHER, this.key, nonceOf(number), { authTagLength: TAG_BYTES })
      .setAAD(packet.subarray(0, HEADER_BYTES))
      .setAuthTag(packet.subarray(end));
    try {
      return Buffer.concat([decipher.update(packet.subarray(HEADER_BYTES, end)), decipher.final()]);
    } catch {
      // It is forged. The caller counts it.
      return null;
    }
  }
}

function nonceOf(number: number): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeBigUInt64BE(BigInt(number), NONCE_BYTES - 8);
  return nonce;
}
