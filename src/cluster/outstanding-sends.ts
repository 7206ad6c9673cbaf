import type { DeliveryService } from '../delivery/delivery.service.js';
import type { OutcomeListener } from '../delivery/pending-receipt.js';
import type { Unsettled } from '../delivery/release.js';
import type { Clock } from '../options/clock.js';
import { errors, type ChatError } from '../protocol/chat-error.js';
import type { Message } from '../protocol/message.js';
import type { LinkFrame } from './frames.js';
import type { Link } from './link.js';
import { errorOf } from './refusal.js';
import type { Routes } from './routes.js';

/** How long a message waits for a home that can be reached, in milliseconds. */
const WITHOUT_HOME_MS = 10_000;
/** Content that may be outstanding to one home, and to all of them, in bytes. More holds senders up. */
const HOME_BYTES = 16 * 1024 * 1024;
const ALL_BYTES = 4 * HOME_BYTES;
/** What is reckoned for a message besides its content. */
const MESSAGE_BYTES = 200;

/** No more is written to a link while this much waits there, in bytes: it breaks when 16 MiB do. */
const LINK_BYTES = 4 * 1024 * 1024;
/** A home that takes part of a stream, and refuses the rest after this long or more, has served the slot meanwhile. */
const SERVED_MS = 3_000;

/** A message of a sender of this process that has no outcome yet. */
interface OutstandingSend extends Unsettled {
  readonly bytes: number;
  readonly sentAt: number;
  /** How often it was written to a home. */
  tries: number;
}

/** What goes to one home over one link, in order, from a number on; a home that refuses part of it refuses the rest. */
interface Stream {
  readonly number: number;
  readonly link: Link;
  readonly beganAt: number;
  /** What is to be written when the link has room, in order. */
  readonly unwritten: Map<number, OutstandingSend>;
}

/** The messages to users of one slot that have no outcome yet, by number, oldest first. */
interface SlotSends {
  readonly slot: number;
  sends: Map<number, OutstandingSend>;
  /** Null while none of them is on its way. */
  stream: Stream | null;
  /** When the last stream ended with its link, or its home let the slot go. */
  brokenAt: number;
  /** The node that their bytes are counted for. */
  owner: number | null;
}

/**
 * What was sent here to users whose home is another node, or is just moving. A message stays here until it is answered.
 * After a change of home, a broken link or a refused stream, all of them are sent again, oldest first and before
 * anything newer; homes know repeats by their ids. When no home can be reached for 10 s, all that waits for it is refused.
 */
export class OutstandingSends {
  private readonly bySlot = new Map<number, SlotSends>();
  private readonly bytesByOwner = new Map<number | null, number>();
  /** Content that is outstanding, in bytes. */
  bytes = 0;
  count = 0;
  private lastNumber = 0;
  private lastStream = 0;
  private roomAwaited: (() => void)[] = [];
  private endAwaited: (() => void)[] = [];

  constructor(
    private readonly routes: Routes,
    private readonly home: DeliveryService,
    private readonly clock: Clock,
  ) {}

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** Senders should be held up until `whenRoom` calls back. */
  get isFull(): boolean {
    if (this.bytes < HOME_BYTES) return false;
    return this.bytes >= ALL_BYTES || [...this.bytesByOwner.values()].some((bytes) => bytes >= HOME_BYTES);
  }

  whenRoom(callback: () => void): void {
    this.roomAwaited.push(callback);
  }

  /** Resolves when every message has its outcome. */
  whenEmpty(): Promise<void> {
    return new Promise((resolve) => {
      if (this.isEmpty) resolve();
      else this.endAwaited.push(resolve);
    });
  }

  /** Whether messages to this slot have to wait for older ones. */
  has(slot: number): boolean {
    return (this.bySlot.get(slot)?.sends.size ?? 0) > 0;
  }

  /** Sends a message to the home of its slot, now or when there is one. `bytes` is the length of its content. */
  send(slot: number, message: Message, bytes: number, listener: OutcomeListener): void {
    const ofSlot = this.ofSlot(slot);
    const isStale = ofSlot.sends.size === 0 && ofSlot.stream?.link.peer !== this.routes.ownerOf(slot);
    if (isStale) ofSlot.stream = null; // Its home would only refuse it.
    const send = { message, listener, bytes, sentAt: this.clock.monotonic(), tries: 0 };
    const n = this.add(ofSlot, send);
    if (!ofSlot.stream) return this.begin(ofSlot);
    ofSlot.stream.unwritten.set(n, send);
    this.writeOn(slot, ofSlot.stream);
  }

  /** Takes what a home of this process had accepted and can't answer any more. It is older than all that waits. */
  putBack(slot: number, older: readonly Unsettled[]): void {
    const ofSlot = this.ofSlot(slot);
    const newer = ofSlot.sends;
    ofSlot.sends = new Map();
    for (const { message, listener } of older) {
      const bytes = Buffer.byteLength(message.content);
      this.add(ofSlot, { message, listener, bytes, sentAt: this.clock.monotonic(), tries: 1 });
    }
    for (const [n, send] of newer) ofSlot.sends.set(n, send);
  }

  /**
   * Goes on with each stream, and begins one to each slot that has none, where that is possible now. Refuses what has
   * waited too long, before it tries again: a home that refuses every stream is none.
   */
  pump(): void {
    const patience = this.clock.monotonic() - WITHOUT_HOME_MS;
    for (const ofSlot of this.bySlot.values()) {
      if (ofSlot.stream) this.writeOn(ofSlot.slot, ofSlot.stream);
      else if (isLate(ofSlot, patience)) this.refuse(ofSlot, errors.noHome());
      else if (ofSlot.sends.size > 0) this.begin(ofSlot);
    }
  }

  /** This process ends. */
  refuseAll(): void {
    for (const ofSlot of this.bySlot.values()) this.refuse(ofSlot, errors.goingAway());
  }

  /** Slots belong to other nodes now. */
  onOwnersChanged(): void {
    this.bytesByOwner.clear();
    for (const ofSlot of this.bySlot.values()) {
      ofSlot.owner = this.routes.ownerOf(ofSlot.slot);
      for (const { bytes } of ofSlot.sends.values()) this.countBytes(ofSlot.owner, bytes + MESSAGE_BYTES);
    }
  }

  onFrame(frame: LinkFrame): void {
    switch (frame[0]) {
      case 'receipt': {
        const [, slot, n, status, sentAt, repeated, position] = frame;
        const send = this.take(slot, n);
        const place = position === undefined ? {} : { position };
        // What was sent twice from here is no repeat of its sender.
        send?.listener.onReceipt({ id: send.message.id, status, sentAt, ...place }, repeated && send.tries === 1);
        return this.tellRoom();
      }
      case 'refused': {
        const [, slot, n, refusal] = frame;
        const send = this.take(slot, n);
        send?.listener.onRefused(errorOf(refusal), send.message.id);
        return this.tellRoom();
      }
      case 'moved': {
        const ofSlot = this.bySlot.get(frame[1]);
        if (!ofSlot?.stream || ofSlot.stream.number !== frame[2]) return;
        const now = this.clock.monotonic();
        if (now - ofSlot.stream.beganAt >= SERVED_MS) ofSlot.brokenAt = now;
        ofSlot.stream = null;
        this.routes.onRefused(ofSlot.slot);
      }
    }
  }

  onBroken(link: Link): void {
    for (const ofSlot of this.bySlot.values()) {
      if (ofSlot.stream?.link !== link) continue;
      ofSlot.stream = null;
      ofSlot.brokenAt = this.clock.monotonic();
    }
  }

  private ofSlot(slot: number): SlotSends {
    let ofSlot = this.bySlot.get(slot);
    if (!ofSlot) {
      const owner = this.routes.ownerOf(slot);
      ofSlot = { slot, sends: new Map<number, OutstandingSend>(), stream: null, brokenAt: -Infinity, owner };
      this.bySlot.set(slot, ofSlot);
    }
    return ofSlot;
  }

  private add(ofSlot: SlotSends, send: OutstandingSend): number {
    const n = (this.lastNumber += 1);
    ofSlot.sends.set(n, send);
    this.count += 1;
    this.bytes += send.bytes + MESSAGE_BYTES;
    this.countBytes(ofSlot.owner, send.bytes + MESSAGE_BYTES);
    return n;
  }

  private take(slot: number, n: number): OutstandingSend | undefined {
    const ofSlot = this.bySlot.get(slot);
    const send = ofSlot?.sends.get(n);
    if (!ofSlot || !send) return undefined; // It was answered over an earlier link.
    ofSlot.sends.delete(n);
    this.count -= 1;
    this.bytes -= send.bytes + MESSAGE_BYTES;
    this.countBytes(ofSlot.owner, -send.bytes - MESSAGE_BYTES);
    return send;
  }

  private countBytes(owner: number | null, bytes: number): void {
    this.bytesByOwner.set(owner, (this.bytesByOwner.get(owner) ?? 0) + bytes);
  }

  private begin(ofSlot: SlotSends): void {
    const { slot } = ofSlot;
    const place = this.routes.to(slot);
    if (place === 'here') this.handOver(ofSlot);
    else if (place) {
      const beganAt = this.clock.monotonic();
      ofSlot.stream = { number: (this.lastStream += 1), link: place, beganAt, unwritten: new Map(ofSlot.sends) };
      this.writeOn(slot, ofSlot.stream);
    }
  }

  /** Writes what the link has room for; `pump` goes on. */
  private writeOn(slot: number, { number, link, unwritten }: Stream): void {
    for (const [n, send] of unwritten) {
      if (link.waitingBytes >= LINK_BYTES) return;
      unwritten.delete(n);
      send.tries += 1;
      const isAwaited = send.listener.awaitsReceipt !== false;
      const clock = this.home.recording?.clock.position;
      if (clock === undefined) link.send(['send', slot, number, n, send.message, isAwaited]);
      else link.send(['send', slot, number, n, send.message, isAwaited, clock]);
    }
  }

  /** The home is in this process: it answers the senders itself. */
  private handOver(ofSlot: SlotSends): void {
    for (const n of ofSlot.sends.keys()) {
      const send = this.take(ofSlot.slot, n);
      if (send) this.home.take(send.message, send.listener); // A listener that sends comes here again.
    }
    this.tellRoom();
  }

  private refuse(ofSlot: SlotSends, error: ChatError): void {
    const all = [...ofSlot.sends.keys()]; // A listener that sends again at once begins anew.
    for (const n of all) {
      const send = this.take(ofSlot.slot, n);
      send?.listener.onRefused(error, send.message.id);
    }
    this.tellRoom();
  }

  private tellRoom(): void {
    if (this.roomAwaited.length > 0 && !this.isFull) for (const callback of this.roomAwaited.splice(0)) callback();
    if (this.endAwaited.length > 0 && this.isEmpty) for (const callback of this.endAwaited.splice(0)) callback();
  }
}

/**
 * The oldest has waited too long: all are to be refused. If the younger ones stayed, a sender whose connection was cut,
 * and who sends all of them again in order, would have these before the older ones.
 */
function isLate({ sends, brokenAt }: SlotSends, patience: number): boolean {
  const [oldest] = sends.values();
  return oldest !== undefined && oldest.sentAt <= patience && brokenAt <= patience;
}
