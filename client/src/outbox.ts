import type {
  FrameOf,
  ClientEvents as WireEvents,
  WireException,
  WireReceipt,
  WireWelcome,
} from '../../src/protocol/wire.js';
import type { PendingMessage, ReceiptEvent, RefusalCode } from './api.js';
import { randomUpTo } from './backoff.js';
import { bytesOf } from './message-size.js';
import { RateLimit } from './rate-limit.js';

/** Messages without a receipt that may be on their way at a time. More would only wait in the server. */
const MAX_WRITTEN = 16;
/** The first pause after a temporary refusal, and the longest one, in milliseconds. Each one is twice the last. */
const MIN_HOLD_MS = 1_000;
const MAX_HOLD_MS = 30_000;
/** A message with a shorter `ttl` may wait so long for the connection. */
const MIN_LIFE_MS = 10_000;
/** The server lets so many seconds' broadcasts and signals go at once [protocol 5.1]. */
const BROADCAST_BURST_SECONDS = 10;
const SIGNAL_BURST_SECONDS = 2;

/** Refusals that hold one recipient's messages. Every other temporary one holds the whole line. */
const holdsOneRecipient = ({ code, scope }: WireException) =>
  code === 'MAILBOX_FULL' || scope === 'mailbox' || code === 'RATE_LIMITED';

interface Line extends PendingMessage {
  /**
   * - `keeping`: it is on its way into the store
   * - `queued`: it waits for its turn
   * - `written`: it is on the wire, and has no receipt
   */
  state: 'keeping' | 'queued' | 'written';
  /** Of content and meta in UTF-8. */
  readonly bytes: number;
}

/** After a temporary refusal: nothing is sent until then, by `performance.now()`. */
interface Hold {
  until: number;
  pauseMs: number;
}

export interface OutboxOptions {
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

/** What the outbox needs of its client. */
export interface OutboxOwner {
  /** Writes a frame; only called between `open` and `shut`. */
  write(frame: FrameOf<WireEvents>): void;
  /** A message has its first receipt or its refusal, and is not in the outbox any more. */
  settled(receipt: ReceiptEvent): void;
}

/**
 * What was sent and has no receipt, first in, first out. A message stays until its receipt or its refusal comes; when
 * the connection is lost it is written again, with the same id. A temporary refusal holds its recipient's messages, or
 * the whole line, and then the refused one and all behind it go again in order [protocol 2.4].
 */
export class Outbox {
  /** In the order in which they go out. */
  #lines = new Map<string, Line>();
  /** By recipient; null is everybody, undefined the whole line. */
  readonly #holds = new Map<string | null | undefined, Hold>();
  #bytes = 0;
  #frames = new RateLimit(null);
  #broadcasts = new RateLimit(null);
  #signals = new RateLimit(null);
  #maxContentBytes = Infinity;
  #isOpen = false;
  /** The room that another frame waits for. */
  #reserved = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly options: OutboxOptions,
    private readonly owner: OutboxOwner,
  ) {}

  get pending(): readonly PendingMessage[] {
    return [...this.#lines.values()].map(({ state: _state, bytes: _bytes, ...message }) => message);
  }

  has(id: string): boolean {
    return this.#lines.has(id);
  }

  /** Whether one more message of so many bytes is within the limits. */
  hasRoomFor(bytes: number): boolean {
    return this.#lines.size < this.options.maxMessages && this.#bytes + bytes <= this.options.maxBytes;
  }

  /** Adds a message at the end, unless it is there. It goes out when it is kept, and its turn has come. */
  add(message: PendingMessage): Line {
    const known = this.#lines.get(message.id);
    if (known) return known;
    const line: Line = { ...message, state: 'keeping', bytes: bytesOf(message) };
    this.#lines.set(line.id, line);
    this.#bytes += line.bytes;
    return line;
  }

  /** A message is in the store: one that was added here, or by another tab. */
  keep(message: PendingMessage): void {
    const line = this.add(message);
    if (line.state === 'keeping') line.state = 'queued';
    this.pump();
  }

  /** Puts what is in the store before all that was added since. */
  restore(messages: readonly PendingMessage[]): void {
    const added = this.#lines;
    this.#lines = new Map();
    for (const message of messages) {
      const line = added.get(message.id);
      if (line) this.#lines.set(line.id, line);
      added.delete(message.id);
      this.keep(message);
    }
    for (const [id, line] of added) this.#lines.set(id, line);
  }

  /** The connection is there: everything goes out, as fast as the server takes it. */
  open(welcome: WireWelcome): void {
    const { framesPerSecond, frameBurst, broadcastsPerSecond, signalsPerSecond, maxContentBytes } = welcome;
    this.#frames = new RateLimit(framesPerSecond, frameBurst);
    this.#broadcasts = new RateLimit(broadcastsPerSecond, (broadcastsPerSecond ?? 0) * BROADCAST_BURST_SECONDS);
    this.#signals = new RateLimit(signalsPerSecond, (signalsPerSecond ?? 0) * SIGNAL_BURST_SECONDS);
    this.#maxContentBytes = maxContentBytes;
    this.#holds.clear();
    this.#isOpen = true;
    this.pump();
  }

  /** The connection is lost. What was written has to be written again, but for a broadcast, which may have gone out. */
  shut(): void {
    this.#isOpen = false;
    clearTimeout(this.#timer);
    for (const line of this.#lines.values()) {
      if (line.state !== 'written') continue;
      if (line.to === null) this.#refuse(line, 'UNKNOWN', LOST);
      else line.state = 'queued';
    }
  }

  receipt(receipt: WireReceipt): void {
    const line = this.#remove(receipt.id);
    if (!line) return;
    this.#holds.delete(line.to);
    this.#holds.delete(undefined);
    this.owner.settled({ ...receipt, to: line.to });
    this.pump();
  }

  /** The server refused a message. Returns false when it is not one of these. */
  refusal(refusal: WireException): boolean {
    const line = this.#lines.get(refusal.id ?? '');
    if (!line) return false;
    if (!refusal.temporary) this.#refuse(line, refusal.code, refusal.message);
    else this.#hold(line, holdsOneRecipient(refusal) ? line.to : undefined);
    this.pump();
    return true;
  }

  /** A frame was too big for the server, which does not say which: the biggest one on the wire is given up. */
  giveUpBiggest(): void {
    const written = [...this.#lines.values()].filter(({ state }) => state === 'written');
    const biggest = written.sort((a, b) => b.bytes - a.bytes)[0];
    if (biggest) this.#refuse(biggest, 'CONTENT_TOO_LARGE', 'the server does not take so big a message');
  }

  /** Takes a message back that is not on the wire. */
  cancel(id: string): void {
    const line = this.#lines.get(id);
    if (line && line.state !== 'written') this.#refuse(line, 'CANCELLED', 'the message was taken back');
  }

  /** The tab that was to send these broadcasts leads no more. */
  abandonBroadcasts(): void {
    for (const line of this.#lines.values()) {
      if (line.to === null && line.state === 'keeping') this.#refuse(line, 'UNKNOWN', LOST);
    }
  }

  /** Another tab has told that this one is settled. */
  forget(id: string): void {
    this.#remove(id);
  }

  /** Ends all: nothing goes out any more. */
  clear(why: string): void {
    this.shut();
    for (const line of this.#lines.values()) this.#refuse(line, 'CLOSED', why);
  }

  /** Writes a signal, or drops it when there were too many. */
  signal(data: WireEvents['signal']): void {
    const now = performance.now();
    if (this.#signals.nextAt(now) > now) return;
    this.#signals.take(now);
    this.owner.write({ event: 'signal', data });
  }

  /** Takes the room of so many messages for another frame. Returns false when there is not as much now. */
  take(count: number): boolean {
    const now = performance.now();
    const hasRoom = this.#isOpen && this.#frames.nextAt(now, count) <= now;
    if (hasRoom) this.#frames.take(now, count);
    this.#reserved = hasRoom ? 0 : count; // Messages would take each bit of room, and this would never have its turn.
    return hasRoom;
  }

  /** Writes what may be written now, and comes again when more may be. */
  pump(): void {
    if (!this.#isOpen) return;
    clearTimeout(this.#timer);
    const now = performance.now(); // Pauses do not depend on a clock that can be set.
    let onTheWire = 0;
    let nextAt = Infinity;
    for (const line of this.#lines.values()) {
      if (line.state === 'written') onTheWire += 1;
      if (line.state !== 'queued') continue;
      if (this.#isBeyondLimits(line)) continue;
      const mayAt = Math.max(this.#heldUntil(line.to), line.to === null ? this.#broadcasts.nextAt(now) : 0);
      if (mayAt > now) nextAt = Math.min(nextAt, mayAt);
      if (mayAt > now) continue;
      if (onTheWire >= MAX_WRITTEN) break; // The next receipt comes back here.
      const paced = this.#frames.nextAt(now, 1 + this.#reserved);
      if (paced > now) {
        nextAt = Math.min(nextAt, paced);
        break;
      }
      this.#frames.take(now);
      if (line.to === null) this.#broadcasts.take(now);
      onTheWire += 1;
      this.#write(line);
    }
    if (nextAt < Infinity) this.#timer = setTimeout(() => this.pump(), nextAt - now);
  }

  #write(line: Line): void {
    const { id, to, content, meta, topic, urgency, at } = line;
    line.state = 'written';
    if (to === null) return this.owner.write({ event: 'broadcast', data: { content, id, meta } });
    const ttl = line.ttl && Math.max(1, line.ttl - Math.floor((Date.now() - at) / 1_000));
    this.owner.write({ event: 'send', data: { to, content, id, meta, ttl, topic, urgency } });
  }

  #isBeyondLimits(line: Line): boolean {
    if (line.bytes > this.#maxContentBytes) {
      this.#refuse(line, 'CONTENT_TOO_LARGE', `the content may have ${this.#maxContentBytes} bytes`);
    } else if (Date.now() - line.at > Math.min(this.options.maxAgeMs, lifeOf(line))) {
      this.#refuse(line, 'TOO_OLD', 'the message waited too long to be sent');
    } else return false;
    return true;
  }

  #heldUntil(to: string | null): number {
    return Math.max(this.#holds.get(to)?.until ?? 0, this.#holds.get(undefined)?.until ?? 0);
  }

  /** Puts the refused message, and all that were written behind it to the same recipient, back into the line. */
  #hold(refused: Line, key: string | null | undefined): void {
    const now = performance.now();
    const hold = this.#holds.get(key) ?? { until: 0, pauseMs: MIN_HOLD_MS / 2 };
    // What was refused together counts once.
    if (hold.until <= now) hold.pauseMs = Math.min(hold.pauseMs * 2, MAX_HOLD_MS);
    hold.until = now + hold.pauseMs / 2 + randomUpTo(hold.pauseMs / 2);
    this.#holds.set(key, hold);
    let isBehind = false;
    for (const line of this.#lines.values()) {
      isBehind ||= line === refused;
      if (isBehind && line.to === refused.to && line.state === 'written') line.state = 'queued';
    }
  }

  #refuse({ id, to }: Line, code: RefusalCode, message: string): void {
    if (this.#remove(id)) this.owner.settled({ id, to, status: 'refused', code, message });
  }

  #remove(id: string): Line | undefined {
    const line = this.#lines.get(id);
    if (!line) return undefined;
    this.#lines.delete(id);
    this.#bytes -= line.bytes;
    return line;
  }
}

const LOST = 'the connection was lost before the receipt of the broadcast came';

/** For how long a message is worth sending, in milliseconds. */
function lifeOf({ ttl = Infinity }: PendingMessage): number {
  return Math.max(ttl * 1_000, MIN_LIFE_MS);
}
