import type { WireMessage } from '../../src/protocol/wire.js';
import { JsonMatching, Parcel, TextMatching, type Lane, type Match, type SentMessage } from './matching.js';

/** What the player did and saw, in order. A `visit` is one connection of one user. Later ones have higher numbers. */
export type Sighting =
  | { readonly type: 'sent'; readonly message: SentMessage }
  | { readonly type: 'text'; readonly user: string; readonly visit: number; readonly frame: string }
  | { readonly type: 'json'; readonly user: string; readonly visit: number; readonly message: WireMessage }
  /** This connection's reader has told the server that it has everything that came to it until now. */
  | { readonly type: 'confirmed'; readonly visit: number }
  | { readonly type: 'receipt'; readonly user: string; readonly id: string; readonly status: string }
  | { readonly type: 'refused'; readonly user: string; readonly frame: string }
  | { readonly type: 'unexpected'; readonly what: string };

/** The outcome of a replay. The first eight counters are about direct messages. */
export interface Verdict {
  readonly direct: number;
  /** Came live. */
  readonly live: number;
  /** Came delayed, with their time. */
  readonly delayed: number;
  /** Never came. */
  readonly lost: number;
  /** Came again although the reader had confirmed them, or twice on one connection. This is a fault. */
  readonly duplicated: number;
  /** Came again because the reader had left before confirming them, as the protocol says. */
  readonly repeated: number;
  /** Came after a later message of the same sender. */
  readonly reordered: number;
  /** Text frames that could have been a direct message or a broadcast of the same bytes. */
  readonly ambiguous: number;
  readonly broadcast: number;
  /** Frames that carried a broadcast, to all readers together. */
  readonly broadcastArrivals: number;
  readonly receipts: number;
  /** Frames of the player that the server refused. */
  readonly refused: number;
  /** Every other fault. */
  readonly unexpected: number;
  /** A sentence for each fault. */
  readonly faults: readonly string[];
}

type Counters = { -readonly [Name in keyof Omit<Verdict, 'faults' | 'lost' | 'ambiguous'>]: number };

/**
 * Compares what came with what was sent. Each direct message has to come exactly once, byte for byte, in order for each
 * sender and recipient. Each message of a JSON client gets one receipt, and `delivered` only when the reader has
 * confirmed it. A broadcast need not come, as it is sent at most once [protocol 2].
 */
export class ReplayCheck {
  private readonly counters: Counters = {
    direct: 0,
    live: 0,
    delayed: 0,
    duplicated: 0,
    repeated: 0,
    reordered: 0,
    broadcast: 0,
    broadcastArrivals: 0,
    receipts: 0,
    refused: 0,
    unexpected: 0,
  };
  private readonly faults: string[] = [];
  private readonly parcels: Parcel[] = [];
  private readonly lanes = new Map<string, Lane>();
  private readonly text = new TextMatching();
  private readonly json = new JsonMatching();
  /** The state of a connection: what came and may be confirmed, and the last position in each lane. */
  private readonly unconfirmed = new Map<number, Parcel[]>();
  private readonly positions = new Map<number, Map<Lane, number>>();
  private readonly receipted = new Set<string>();

  constructor(private readonly protocol: 'text' | 'json') {}

  record(sighting: Sighting): void {
    switch (sighting.type) {
      case 'sent':
        return this.onSent(sighting.message);
      case 'text':
        return this.onMatch(sighting, this.text.match(sighting.user, sighting.visit, sighting.frame));
      case 'json':
        return this.onMatch(sighting, this.json.match(sighting.user, sighting.visit, sighting.message));
      case 'confirmed':
        for (const parcel of this.unconfirmed.get(sighting.visit) ?? []) parcel.confirmed = true;
        this.unconfirmed.delete(sighting.visit);
        return;
      case 'receipt':
        return this.onReceipt(sighting.user, sighting.id, sighting.status);
      case 'refused':
        return this.fault('refused', `${sighting.user} was refused: ${sighting.frame}`);
      case 'unexpected':
        return this.fault('unexpected', sighting.what);
    }
  }

  /** Users for whom something is on its way, or came and is not confirmed. */
  awaiting(): Set<string> {
    return new Set(this.parcels.filter((parcel) => !parcel.confirmed).map((parcel) => parcel.message.to));
  }

  get directCount(): number {
    return this.counters.direct;
  }

  verdict(): Verdict {
    const lost = this.parcels.filter((parcel) => parcel.arrivals === 0);
    const faults = [...lost.map((parcel) => `${describe(parcel.message)} is lost`), ...this.faults];
    let { unexpected } = this.counters;
    const due = this.counters.direct + this.counters.broadcast;
    if (this.protocol === 'json' && this.receipted.size < due) {
      unexpected += due - this.receipted.size;
      faults.push(`${due - this.receipted.size} messages have no receipt`);
    }
    return { ...this.counters, unexpected, lost: lost.length, ambiguous: this.text.ambiguous, faults };
  }

  private onSent(message: SentMessage): void {
    const matching = this.protocol === 'text' ? this.text : this.json;
    if (message.to === '*') {
      this.counters.broadcast += 1;
      return matching.onBroadcast(message);
    }
    this.counters.direct += 1;
    const between = `${message.from}\n${message.to}`;
    const lane = this.lanes.get(between) ?? { sent: 0, furthest: 0 };
    this.lanes.set(between, lane);
    const parcel = new Parcel(message, lane);
    this.parcels.push(parcel);
    matching.onDirect(parcel);
  }

  private onMatch(arrival: Extract<Sighting, { type: 'text' | 'json' }>, match: Match): void {
    const { user, visit } = arrival;
    const shown = arrival.type === 'text' ? arrival.frame : JSON.stringify(arrival.message);
    if (match.kind === 'direct') {
      this.onDirect(visit, match.parcel, match.delayed);
      if (match.flaw) this.fault('unexpected', `${describe(match.parcel.message)} came, but ${match.flaw}`);
    } else if (match.kind === 'broadcast') this.counters.broadcastArrivals += 1;
    else if (match.kind === 'refusal') this.fault('refused', `${user} was refused: ${shown}`);
    else this.fault('unexpected', `${user} got ${shown}: ${match.why}`);
  }

  private onDirect(visit: number, parcel: Parcel, delayed: boolean): void {
    const { lane, position, message } = parcel;
    const positions = this.positions.get(visit) ?? new Map<Lane, number>();
    this.positions.set(visit, positions);
    const isFirst = parcel.arrivals === 0;
    // Only a reader that left before it confirmed may see a message again, and then as a delayed one.
    const isFault = !isFirst && (parcel.confirmed || parcel.visit === visit || !delayed);
    if (isFault) this.fault('duplicated', `${describe(message)} came twice`);
    else if (!isFirst) this.counters.repeated += 1;
    else this.counters[delayed ? 'delayed' : 'live'] += 1;
    // On one connection positions only rise. A new message comes after all that came before, on any connection.
    const after = isFirst ? lane.furthest : (positions.get(lane) ?? 0);
    if (!isFault && position < after) this.fault('reordered', `${describe(message)} came behind a later one`);
    parcel.arrivals += 1;
    parcel.visit = visit;
    lane.furthest = Math.max(lane.furthest, position);
    positions.set(lane, Math.max(position, positions.get(lane) ?? 0));
    if (!parcel.confirmed) this.unconfirmed.set(visit, [...(this.unconfirmed.get(visit) ?? []), parcel]);
  }

  private onReceipt(user: string, id: string, status: string): void {
    const sent = this.json.find(id);
    const message = sent instanceof Parcel ? sent.message : sent;
    if (!message || message.from !== user)
      return this.fault('unexpected', `${user} got a receipt for no message of theirs`);
    if (this.receipted.has(id)) return this.fault('unexpected', `${describe(message)} has two receipts`);
    this.receipted.add(id);
    this.counters.receipts += 1;
    const fits =
      sent instanceof Parcel
        ? status === 'stored' || (status === 'delivered' && sent.confirmed)
        : status === 'broadcast';
    if (!fits) this.fault('unexpected', `${describe(message)} has the receipt '${status}', which is not so`);
  }

  private fault(kind: 'duplicated' | 'reordered' | 'refused' | 'unexpected', sentence: string): void {
    this.counters[kind] += 1;
    this.faults.push(sentence);
  }
}

function describe({ line, from, to }: SentMessage): string {
  return `line ${line} (${from} to ${to})`;
}
