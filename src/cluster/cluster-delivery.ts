import { Logger } from '@nestjs/common';
import { Broadcast } from '../connections/broadcast.js';
import type { Connection } from '../connections/connection.js';
import { Delivery } from '../delivery/delivery.js';
import type { DeliveryService } from '../delivery/delivery.service.js';
import type { Ledger } from '../delivery/ledger.js';
import type { OutcomeListener } from '../delivery/pending-receipt.js';
import type { Unsettled } from '../delivery/release.js';
import type { ChatOptions } from '../options/chat.options.js';
import { within } from '../options/clock.js';
import type { NodeFigures } from '../nodes/nodes.js';
import { errors } from '../protocol/chat-error.js';
import { newId, type Message, type MessageExtras } from '../protocol/message.js';
import { extrasOf } from '../protocol/message-extras.js';
import { checkSize, type CheckedRequest } from '../protocol/send-request.js';
import type { News } from '../protocol/news.js';
import type { Signal } from '../protocol/signal.js';
import { Attachments } from './attachments.js';
import type { Calls } from './calls.js';
import type { ClusterNode } from './cluster-node.js';
import type { LinkFrame } from './frames.js';
import type { Link, Links } from './link.js';
import { LinkedEdge, RemoteSender } from './linked-edge.js';
import type { Membership } from './membership.js';
import { OutstandingSends } from './outstanding-sends.js';
import { Routes } from './routes.js';
import { ServedSlots, type SlotStore } from './served-slots.js';
import { slotOf } from '../offline-messages/slot.js';

/** Pause between two looks whether what waits for a home can go on, in milliseconds. */
const LOOK_MS = 100;
/** How long a broadcast waits for the counts of the other nodes, in milliseconds. */
const BROADCAST_MS = 250;

/**
 * Delivery in a cluster. For the connections and senders of this process it is the edge: it finds the home of each user,
 * which may be the DeliveryService here. For other nodes it is the door to that home.
 *
 * What goes to a home here, with nothing older on the way, costs one look-up more than on a single server. While nothing
 * waits, no timer runs.
 */
export class ClusterDelivery extends Delivery {
  private readonly logger = new Logger('Cluster');
  private readonly membership: Membership;
  private readonly links: Links;
  private readonly calls: Calls;
  private readonly slots: ServedSlots;
  private readonly routes: Routes;
  private readonly sends: OutstandingSends;
  private readonly attachments: Attachments;
  /** The edges that have asked something of the home here, by link. */
  private readonly edges = new Map<Link, LinkedEdge>();
  private cancelLook: (() => void) | null = null;
  private settling: Promise<unknown> | null = null;

  constructor(
    private readonly options: ChatOptions,
    private readonly home: DeliveryService,
    store: SlotStore,
    node: ClusterNode,
  ) {
    super();
    const { clock } = options;
    const { membership, links, calls } = node;
    this.membership = membership;
    this.links = links;
    this.calls = calls;
    this.slots = new ServedSlots(membership, home, store, clock);
    this.routes = new Routes(membership, links, this.slots, clock);
    this.sends = new OutstandingSends(this.routes, home, clock);
    this.attachments = new Attachments(this.routes, home, clock);
    home.recording?.clock.follow(() => membership.databaseNow().at);
    this.slots.served.on((slots) => this.onServed(slots));
    this.slots.abandoned.on((unanswered) => this.onAbandoned(unanswered));
    membership.changed.on(() => this.onChanged());
    links.opened.on(() => this.look());
    links.broken.on((link) => this.onBroken(link));
    links.frame.on((link, frame) => this.onFrame(link, frame));
    calls.register('broadcast', (broadcast) => this.attachments.broadcast(broadcastOf(broadcast as BroadcastCall)));
    calls.register('signal', (signal) => this.signalHere(signal as Signal));
    calls.register('heard', () => null); // What came over the link before was handled.
    calls.register('news', (told) => this.home.tell(...(told as [string, News])));
  }

  get ledger(): Ledger {
    return this.home.ledger;
  }

  /** How many slots are served here, and what waits for other nodes. */
  get load(): Pick<NodeFigures, 'slots' | 'outstandingSends' | 'outstandingBytes'> {
    return { slots: this.slots.count, outstandingSends: this.sends.count, outstandingBytes: this.sends.bytes };
  }

  get isFull(): boolean {
    return this.settling !== null || this.sends.isFull || this.home.isFull;
  }

  whenRoom(callback: () => void): void {
    if (this.settling) void this.settling.then(callback);
    else if (this.sends.isFull) this.sends.whenRoom(callback);
    else this.home.whenRoom(callback);
  }

  send(request: CheckedRequest, listener: OutcomeListener): void {
    const { from, to, content, id = newId() } = request;
    const slot = to === undefined ? null : slotOf(to);
    if (slot !== null && this.slots.serves(slot) && !this.sends.has(slot)) return this.home.send(request, listener);
    const bytes = checkSize(request, this.options);
    const sentAt = this.options.clock.now();
    const extras = extrasOf(request, sentAt, this.options.retentionMs);
    if (to === undefined || slot === null)
      return void this.broadcast([id, from, content, sentAt, extras ?? null], listener);
    const message: Message = { id, from, to, content, sentAt, extras };
    this.sends.send(slot, message, bytes, listener);
    this.lookLater();
  }

  /** Each node writes it to its own connections. A node that is silent is not counted. It never rejects. */
  private async broadcast(broadcast: BroadcastCall, listener: OutcomeListener): Promise<void> {
    this.ledger.countBroadcast();
    const [id, , , sentAt] = broadcast;
    const { answers } = await this.calls.all('broadcast', broadcast, BROADCAST_MS);
    const recipients = [...answers.values()].reduce<number>((sum, count) => sum + Number(count), 0);
    listener.onReceipt({ id, status: 'broadcast', sentAt, recipients }, false);
  }

  async signal(signal: Signal): Promise<number> {
    const place = this.routes.to(slotOf(signal.to));
    if (place === 'here') return this.home.signal(signal);
    try {
      if (place) return Number(await this.calls.call(place.peer, 'signal', signal));
    } catch {
      // Its home is silent, and a signal counts only now.
    }
    this.ledger.signals.add('dropped');
    return 0;
  }

  hears(user: string): boolean {
    const place = this.routes.to(slotOf(user));
    return place === 'here' ? this.home.hears(user) : place !== null;
  }

  tell(user: string, news: News): void {
    const place = this.routes.to(slotOf(user));
    if (place === 'here') this.home.tell(user, news);
    else if (place) this.calls.tell(place.peer, 'news', [user, news]);
  }

  attach(connection: Connection): void {
    this.attachments.add(connection, this.membership.databaseNow());
    this.lookLater();
  }

  detach(connection: Connection): void {
    this.attachments.remove(connection);
  }

  confirm(connection: Connection, seq: number): number | null {
    return this.attachments.confirm(connection, seq);
  }

  inFlight(connection: Connection): number {
    return this.attachments.inFlight(connection);
  }

  pendingOf(user: string): Promise<number> {
    return this.home.pendingOf(user);
  }

  lastSeenOf(user: string): Promise<number | null> {
    return this.home.lastSeenOf(user);
  }

  /** A handover that hangs must not hold up the goodbye to the clients: at its end the others take the slots anyway. */
  leave(): Promise<void> {
    const { clock, drainMs } = this.options;
    const late = () =>
      new Error(`The other nodes did not take over in ${drainMs / 2} ms, and do so when this one ends`);
    return within(clock, drainMs / 2, this.membership.leave(), late).catch((error: Error) =>
      this.logger.warn(error.message),
    );
  }

  /** A home that hears the next connection of a user before what this one has confirmed would repeat that. */
  async settle(): Promise<void> {
    const heard = this.calls.all('heard', null);
    const settling = (this.settling = Promise.all([this.home.settle(), this.sends.whenEmpty()]));
    await settling;
    if (this.settling === settling) this.settling = null;
    await heard;
  }

  async close(): Promise<void> {
    this.cancelLook?.();
    this.slots.close();
    this.sends.refuseAll();
    await this.home.close();
    await this.membership.close();
    await this.links.close();
  }

  private onServed(slots: readonly number[]): void {
    for (const { id } of this.membership.view.nodes) this.links.to(id)?.send(['serving', slots]);
    this.look();
  }

  private onAbandoned(unanswered: readonly Unsettled[]): void {
    const bySlot = new Map<number, Unsettled[]>();
    for (const send of unanswered) {
      if (send.listener instanceof RemoteSender) continue; // Its own edge sends it again.
      const slot = slotOf(send.message.to);
      const ofSlot = bySlot.get(slot);
      if (ofSlot) ofSlot.push(send);
      else bySlot.set(slot, [send]);
    }
    for (const [slot, older] of bySlot) this.sends.putBack(slot, older);
    this.attachments.onAbandoned();
    this.lookLater();
  }

  private onChanged(): void {
    const { self, view } = this.membership;
    const peers = view.nodes.map(({ id }) => id).filter((id) => id !== self);
    this.links.update(self, peers, view.version);
    this.sends.onOwnersChanged();
    this.look();
  }

  private onBroken(link: Link): void {
    this.edges.get(link)?.close();
    this.edges.delete(link);
    this.sends.onBroken(link);
    this.attachments.onBroken(link);
    this.look();
  }

  private onFrame(link: Link, frame: LinkFrame): void {
    switch (frame[0]) {
      case 'send':
      case 'attach':
      case 'confirm':
      case 'detach':
        return this.edgeAt(link).onFrame(frame);
      case 'receipt':
      case 'refused':
      case 'moved':
        return this.sends.onFrame(frame);
      case 'serving':
        this.routes.onServing(frame[1]);
        return this.look();
      default:
        this.attachments.onFrame(frame);
    }
  }

  private edgeAt(link: Link): LinkedEdge {
    let edge = this.edges.get(link);
    if (!edge) this.edges.set(link, (edge = new LinkedEdge(link, this.home, (slot) => this.slots.serves(slot))));
    return edge;
  }

  /** Rejects where the recipient has no home: the node that has asked counts it as dropped. */
  private async signalHere(signal: Signal): Promise<number> {
    if (!this.slots.serves(slotOf(signal.to))) throw errors.nodeSilent();
    return this.home.signal(signal);
  }

  /** Looks whether what waits for a home can go on. */
  private look(): void {
    this.sends.pump();
    this.attachments.pump();
    this.lookLater();
  }

  private lookLater(): void {
    if (this.cancelLook || (this.sends.isEmpty && this.attachments.areAttached)) return;
    this.cancelLook = this.options.clock.after(LOOK_MS, () => {
      this.cancelLook = null;
      this.look();
    });
  }
}

/** A broadcast as nodes tell it each other: what is not there comes as null. */
type BroadcastCall = readonly [id: string, from: string, content: string, sentAt: number, extras: MessageExtras | null];

function broadcastOf([id, from, content, sentAt, extras]: BroadcastCall): Broadcast {
  return new Broadcast(id, from, content, sentAt, extras ?? undefined);
}
