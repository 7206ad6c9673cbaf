import type { WireMessage } from '../../src/protocol/wire.js';

/** A message as the player sent it; to `*` it is a broadcast. */
export interface SentMessage {
  /** Line of the log, from 1. */
  readonly line: number;
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly content: string;
}

/** All direct messages of one sender to one recipient, in the order sent. */
export interface Lane {
  sent: number;
  /** The latest message that has come, counted from 1. */
  furthest: number;
}

/** A direct message, and what was seen of it. */
export class Parcel {
  arrivals = 0;
  /** The connection on which it came last. */
  visit = 0;
  /** Its reader has confirmed it, so it must not come again. */
  confirmed = false;
  /** Its position in the lane, from 1. */
  readonly position: number;

  constructor(
    readonly message: SentMessage,
    readonly lane: Lane,
  ) {
    this.position = ++lane.sent;
  }
}

/** What an arrival turns out to be. */
export type Match =
  | { readonly kind: 'direct'; readonly parcel: Parcel; readonly delayed: boolean; readonly flaw?: string }
  | { readonly kind: 'broadcast' }
  | { readonly kind: 'refusal' }
  | { readonly kind: 'unexpected'; readonly why: string };

const unexpected = (why: string): Match => ({ kind: 'unexpected', why });

/** Knows JSON messages by their ids, so it is always sure. */
export class JsonMatching {
  private readonly parcels = new Map<string, Parcel>();
  private readonly broadcasts = new Map<string, SentMessage>();
  private readonly broadcastsSeen = new Set<string>();
  private readonly lastSeq = new Map<number, number>();

  onDirect(parcel: Parcel): void {
    this.parcels.set(parcel.message.id, parcel);
  }

  onBroadcast(message: SentMessage): void {
    this.broadcasts.set(message.id, message);
  }

  find(id: string): Parcel | SentMessage | undefined {
    return this.parcels.get(id) ?? this.broadcasts.get(id);
  }

  match(user: string, visit: number, message: WireMessage): Match {
    const parcel = this.parcels.get(message.id);
    const sent = parcel?.message ?? this.broadcasts.get(message.id);
    if (!sent) return unexpected('nobody has sent a message with this id');
    if (message.from !== sent.from || message.to !== sent.to || message.content !== sent.content) {
      return unexpected(`line ${sent.line} came altered`);
    }
    if (!isTime(message.sentAt)) return unexpected(`line ${sent.line} came without a valid time`);
    if (!parcel) {
      const seen = `${user}\n${message.id}`;
      if (this.broadcastsSeen.has(seen)) return unexpected(`the broadcast of line ${sent.line} came twice`);
      this.broadcastsSeen.add(seen);
      return { kind: 'broadcast' };
    }
    if (sent.to !== user) return unexpected(`line ${sent.line} is for somebody else`);
    const seq = (this.lastSeq.get(visit) ?? 0) + 1;
    this.lastSeq.set(visit, message.seq ?? seq);
    const arrival = { kind: 'direct', parcel, delayed: message.stored } as const;
    return message.seq === seq ? arrival : { ...arrival, flaw: `its seq is ${message.seq} and not ${seq}` };
  }
}

const DELAYED = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z):/;
const REFUSAL = /^error: [A-Z_]+: /;

/**
 * Identifies text frames by all that a text client gets: the bytes, and the time of a delayed message.
 *
 * That is exact except in two cases, which the JSON protocol does not have. When two senders write the same bytes to one
 * reader, a copy counts for the one whose turn it is. When a broadcast has the bytes of a direct message to the same
 * reader, such a frame counts as the direct message while that is missing. It is counted as ambiguous, because a lost
 * message could hide behind it.
 */
export class TextMatching {
  /** Frames that could have been a direct message or a broadcast. */
  ambiguous = 0;
  private readonly parcels = new Map<string, Parcel[]>();
  private readonly broadcastsSent = new Map<string, number>();
  private readonly broadcastsSeen = new Map<string, number>();

  onDirect(parcel: Parcel): void {
    const key = contentFor(parcel.message.to, parcel.message.content);
    this.parcels.set(key, [...(this.parcels.get(key) ?? []), parcel]);
  }

  onBroadcast({ content }: SentMessage): void {
    this.broadcastsSent.set(content, (this.broadcastsSent.get(content) ?? 0) + 1);
  }

  match(user: string, visit: number, frame: string): Match {
    const time = DELAYED.exec(frame)?.[1];
    const parcel = time && isTime(time) ? this.delayed(user, visit, frame.slice(time.length + 1)) : undefined;
    return parcel ? { kind: 'direct', parcel, delayed: true } : this.live(user, frame);
  }

  /**
   * What a reader left unconfirmed comes again, so it is matched first: it must not pass for a new message of the same
   * text.
   */
  private delayed(user: string, visit: number, content: string): Parcel | undefined {
    const parcels = this.parcels.get(contentFor(user, content)) ?? [];
    const owed = parcels.find((parcel) => parcel.arrivals > 0 && !parcel.confirmed && parcel.visit < visit);
    return owed ?? missing(parcels) ?? parcels.at(-1);
  }

  private live(user: string, content: string): Match {
    const key = contentFor(user, content);
    const parcels = this.parcels.get(key) ?? [];
    const sent = this.broadcastsSent.get(content) ?? 0;
    const seen = this.broadcastsSeen.get(key) ?? 0;
    if (parcels.length > 0 && seen < sent) this.ambiguous += 1;
    const parcel = missing(parcels);
    if (parcel) return { kind: 'direct', parcel, delayed: false };
    if (seen < sent) {
      this.broadcastsSeen.set(key, seen + 1);
      return { kind: 'broadcast' };
    }
    const again = parcels.at(-1);
    if (again) return { kind: 'direct', parcel: again, delayed: false };
    if (sent > 0) return unexpected('a broadcast came more often than it was sent');
    return REFUSAL.test(content) ? { kind: 'refusal' } : unexpected('nobody has sent this to this user');
  }
}

/** Returns the parcel whose turn it is in its lane, of those that have not come. */
function missing(parcels: readonly Parcel[]): Parcel | undefined {
  const waiting = parcels.filter((parcel) => parcel.arrivals === 0);
  return waiting.find((parcel) => parcel.position === parcel.lane.furthest + 1) ?? waiting[0];
}

// No user name holds a line feed.
function contentFor(user: string, content: string): string {
  return `${user}\n${content}`;
}

function isTime(text: string): boolean {
  const ms = Date.parse(text);
  return !Number.isNaN(ms) && new Date(ms).toISOString() === text;
}
