import type { EndOfTurn, Turn } from '../connections/end-of-turn.js';
import type { LinkFrame } from './frames.js';
import type { Link } from './link.js';
import { SEAL_BYTES, type Direction, type Header, type Opener, type Sealer } from './seal.js';

/** A link breaks when nothing came for longer than this, in milliseconds. */
export const SILENCE_MS = 3_000;
/** A link breaks when more than this waits to be published, in bytes. */
const MAX_WAITING_BYTES = 16 * 1_024 * 1_024;
/** A batch of frames of this length is sent before the turn ends, in characters: it takes long to parse. */
const FULL_BATCH = 128 * 1_024;

/** The first byte in a packet. */
const Part = {
  /** The batch goes on in the next packet. */
  goesOn: 0,
  /** The batch ends here. */
  ends: 1,
  /** The link ends; there is no batch. */
  goodbye: 2,
} as const;

/** What became of a packet. */
export type Verdict = 'taken' | 'forged' | 'replayed';

/** What a link needs of its room. */
export interface LinkHost {
  readonly endOfTurn: EndOfTurn;
  /** The largest packet that the bus carries, in bytes. */
  readonly maxPacketBytes: number;
  /** The version of the membership that this node knows. */
  readonly version: number;
  monotonic(): number;
  publish(peer: number, packet: Buffer, settled: (taken: boolean) => void): void;
  /** The peer has told its version of the membership. */
  heard(version: number): void;
  onFrame(link: BusLink, frame: LinkFrame): void;
  onBroken(link: BusLink, reason: string | null): void;
}

/**
 * A link over a bus. A batch is the frames of a turn as a JSON array, behind the version of the membership; without
 * frames it is a heartbeat. It is cut into packets that the bus carries; each is sealed and numbered.
 */
export class BusLink implements Link, Turn {
  readonly peer: number;
  isOpen = true;
  /** When it was opened, or the last packet came, by the monotonic clock. */
  heardAt: number;
  /** Whether a packet came at all: only then does the peer have this link too. */
  isProved = false;
  /** When the last batch was sent, by the monotonic clock. */
  sentAt: number;
  private batch: string[] = [];
  private batchLength = 0;
  private publishedBytes = 0;
  private nextNumber = 1;
  private parts: Buffer[] = [];
  private partsBytes = 0;

  constructor(
    private readonly host: LinkHost,
    private readonly incoming: Direction,
    private readonly sealer: Sealer,
    private readonly opener: Opener,
  ) {
    this.peer = incoming.sender;
    this.heardAt = host.monotonic();
    this.sentAt = this.heardAt;
  }

  get waitingBytes(): number {
    return this.publishedBytes + this.batchLength;
  }

  send(frame: LinkFrame): void {
    if (!this.isOpen) return;
    const text = JSON.stringify(frame);
    if (this.batch.push(text) === 1) this.host.endOfTurn.add(this);
    this.batchLength += text.length;
    if (this.waitingBytes > MAX_WAITING_BYTES) return this.end('more than 16 MiB wait to be published');
    if (this.batchLength >= FULL_BATCH) this.sendBatch();
  }

  endTurn(): void {
    if (this.isOpen && this.batch.length > 0) this.sendBatch();
  }

  /** Sends what was written in this turn; without frames it is a heartbeat. */
  sendBatch(): void {
    const bytes = Buffer.from(`[${[this.host.version, ...this.batch].join(',')}]`);
    this.batch = [];
    this.batchLength = 0;
    this.sentAt = this.host.monotonic();
    const step = this.host.maxPacketBytes - SEAL_BYTES - 1;
    for (let start = 0; start < bytes.length && this.isOpen; start += step) {
      const end = start + step;
      this.publish(end < bytes.length ? Part.goesOn : Part.ends, bytes.subarray(start, end));
    }
  }

  break(): void {
    this.end('this side ended it');
  }

  /** Ends it and tells the peer. Without a reason, what was written is sent before. */
  end(reason: string | null): void {
    if (reason === null) this.endTurn();
    if (!this.isOpen) return;
    this.stop(reason);
    this.publish(Part.goodbye, Buffer.alloc(0));
  }

  /** True for a packet that claims to be of this link. */
  isOf({ senderEpoch, receiverEpoch }: Header): boolean {
    return senderEpoch.equals(this.incoming.senderEpoch) && receiverEpoch.equals(this.incoming.receiverEpoch);
  }

  /** Takes a packet of this link. Its header is still to be proved. */
  take(header: Header, packet: Buffer): Verdict {
    const body = this.opener.open(packet, header.number);
    if (!body) return 'forged';
    // The greeting may come again: the peer sends it when it is asked, and when it opens the link.
    if (header.number === 0) return 'taken';
    if (header.number < this.nextNumber) return 'replayed';
    const now = this.host.monotonic();
    // This process stood still: the peer has broken the link meanwhile.
    if (now - this.heardAt > SILENCE_MS) this.end('nothing came for 3 s');
    else if (header.number > this.nextNumber) this.end('a packet was lost');
    else {
      this.nextNumber += 1;
      this.heardAt = now;
      this.isProved = true;
      this.read(body);
    }
    return 'taken';
  }

  private read(body: Buffer): void {
    if (body[0] === Part.goodbye) return this.stop(null);
    this.parts.push(body.subarray(1));
    this.partsBytes += body.length;
    if (this.partsBytes > 2 * MAX_WAITING_BYTES) return this.end('a batch of the peer has no end');
    if (body[0] === Part.goesOn) return;
    const batch = batchIn(this.parts.length === 1 ? this.parts[0]! : Buffer.concat(this.parts));
    this.parts = [];
    this.partsBytes = 0;
    if (!batch) return this.end('the peer sent what is not a batch of frames');
    this.host.heard(batch.version);
    for (const frame of batch.frames) {
      if (!this.isOpen) return;
      this.host.onFrame(this, frame);
    }
  }

  private publish(part: number, bytes: Buffer): void {
    const packet = this.sealer.seal(Buffer.concat([Buffer.of(part), bytes]));
    this.publishedBytes += packet.length;
    this.host.publish(this.peer, packet, (taken) => {
      this.publishedBytes -= packet.length;
      if (!taken && this.isOpen) this.stop('the bus dropped a packet');
    });
  }

  private stop(reason: string | null): void {
    this.isOpen = false;
    this.batch = [];
    this.batchLength = 0;
    this.parts = [];
    this.host.onBroken(this, reason);
  }
}

function batchIn(bytes: Buffer): { version: number; frames: LinkFrame[] } | null {
  try {
    const [version, ...frames] = JSON.parse(bytes.toString()) as [number, ...LinkFrame[]];
    return typeof version === 'number' && frames.every(Array.isArray) ? { version, frames } : null;
  } catch {
    // A peer with the key has written it: the link breaks, and says so.
    return null;
  }
}
