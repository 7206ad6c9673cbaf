import { randomBytes } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { EndOfTurn } from '../connections/end-of-turn.js';
import type { Clock } from '../options/clock.js';
import { Emitter } from '../options/emitter.js';
import { RareLog } from '../options/rare-log.js';
import { BusLink, SILENCE_MS, type LinkHost } from './bus-link.js';
import type { Bus } from './bus.js';
import type { LinkFrame } from './frames.js';
import type { Link, Links, Rejected } from './link.js';
import { EPOCH_BYTES, headerOf, NO_EPOCH, Opener, Sealer, type Header, type Seal } from './seal.js';

/** How often links are looked at, in milliseconds. */
const LOOK_MS = 250;
/** A heartbeat is sent when nothing was for this long, in milliseconds: with `LOOK_MS` one a second. */
const QUIET_MS = 750;
/** A node is greeted again after this long without an answer, in milliseconds. */
const GREET_MS = 500;

interface Peer {
  readonly id: number;
  link: BusLink | null;
  /** The epoch that this node offers for its next link with this peer. */
  offer: Buffer;
  /** When the last packet of an earlier link came, by the monotonic clock; null after a goodbye. */
  heardAt: number | null;
  /** When it was greeted. */
  greetedAt: number | null;
}

/**
 * The links of a node over a bus.
 *
 * A node that has no link to a peer greets it with a fresh epoch. Whoever is greeted replies with an epoch of its own,
 * sealed for both. The reply proves that its sender lives, as nobody could know the epoch before; the packet that the
 * other returns proves the same of that one. A recorded greeting gets a reply that nobody reacts to, also while a link
 * is open.
 */
export class BusLinks implements Links {
  private readonly logger = new Logger('Cluster');
  private readonly rareLog: RareLog;
  readonly opened = new Emitter<Link>(this.logger, 'link opened');
  readonly broken = new Emitter<Link>(this.logger, 'link broken');
  readonly frame = new Emitter<Link, LinkFrame>(this.logger, 'frame');
  readonly rejected: Record<Rejected, number> = { malformed: 0, foreign: 0, forged: 0, replayed: 0, late: 0 };
  newestVersion = 0;
  packetsSent = 0;
  private readonly peers = new Map<number, Peer>();
  private self: number | null = null;
  /** The highest id of a node that this one knows of, or knew. */
  private highestId = 0;
  private readonly host: LinkHost & { version: number };
  private readonly stopHearing: () => void;
  private cancelLook: () => void;

  constructor(
    private readonly bus: Bus,
    private readonly seal: Seal,
    private readonly clock: Clock,
  ) {
    this.rareLog = new RareLog(this.logger, clock);
    this.host = {
      endOfTurn: new EndOfTurn(),
      maxPacketBytes: bus.maxPacketBytes,
      version: 0,
      monotonic: () => clock.monotonic(),
      publish: (peer, packet, settled) => {
        this.packetsSent += 1;
        bus.publish(peer, packet, settled);
      },
      heard: (version) => (this.newestVersion = Math.max(this.newestVersion, version)),
      onFrame: (link, frame) => this.frame.emit(link, frame),
      onBroken: (link, reason) => this.onBroken(link, reason),
    };
    this.stopHearing = bus.received.on((packet) => this.onPacket(packet));
    this.cancelLook = clock.after(LOOK_MS, () => this.look());
  }

  to(node: number): Link | null {
    return this.peers.get(node)?.link ?? null;
  }

  silenceOf(node: number): number {
    const peer = this.peers.get(node);
    const heardAt = peer?.link?.isProved ? peer.link.heardAt : (peer?.heardAt ?? null);
    return heardAt === null ? Infinity : this.clock.monotonic() - heardAt;
  }

  get waitingBytes(): number {
    let bytes = 0;
    for (const { link } of this.peers.values()) bytes += link?.waitingBytes ?? 0;
    return bytes;
  }

  update(self: number, peers: readonly number[], version: number): void {
    this.host.version = version;
    this.highestId = Math.max(this.highestId, self, ...peers);
    if (self !== this.self) {
      this.drop([...this.peers.keys()]);
      this.self = self;
      this.bus.listen(self).then(
        () => this.greetAll(),
        (error: Error) => this.logger.error(`The bus ${this.bus.title} can't be listened to: ${error.message}`),
      );
    }
    this.drop([...this.peers.keys()].filter((id) => !peers.includes(id)));
    for (const id of peers) {
      if (id === self || this.peers.has(id)) continue;
      const peer: Peer = { id, link: null, offer: randomBytes(EPOCH_BYTES), heardAt: null, greetedAt: null };
      this.peers.set(id, peer);
      if (this.bus.isListening) this.greet(peer);
    }
  }

  async close(): Promise<void> {
    this.cancelLook();
    this.stopHearing();
    this.drop([...this.peers.keys()]);
    await this.bus.close();
  }

  private drop(ids: readonly number[]): void {
    for (const id of ids) {
      const link = this.peers.get(id)?.link;
      this.peers.delete(id);
      link?.end(null);
    }
  }

  /** Breaks links that are silent, sends heartbeats, and greets whom there is no link to. */
  private look(): void {
    this.cancelLook = this.clock.after(LOOK_MS, () => this.look());
    const now = this.clock.monotonic();
    for (const peer of this.peers.values()) {
      const { link } = peer;
      if (link && now - link.heardAt > SILENCE_MS) link.end('nothing came for 3 s');
      else if (link && now - link.sentAt >= QUIET_MS) link.sendBatch();
      else if (!link && (peer.greetedAt === null || now - peer.greetedAt >= GREET_MS)) this.greet(peer);
    }
  }

  /** Greets those that were added before this node could hear their reply. */
  private greetAll(): void {
    for (const peer of this.peers.values()) if (!peer.link && peer.greetedAt === null) this.greet(peer);
  }

  private greet(peer: Peer): void {
    peer.greetedAt = this.clock.monotonic();
    this.publishGreeting(peer, NO_EPOCH);
  }

  private publishGreeting(peer: Peer, receiverEpoch: Buffer): Sealer {
    const direction = { sender: this.self!, receiver: peer.id, senderEpoch: peer.offer, receiverEpoch };
    const sealer = new Sealer(this.seal, direction);
    this.bus.publish(peer.id, sealer.greeting(), () => undefined);
    return sealer;
  }

  private onPacket(packet: Buffer): void {
    const header = headerOf(packet);
    const rejected = header ? this.judge(header, packet) : 'malformed';
    if (rejected === null) return;
    this.rejected[rejected] += 1;
    // A packet of a link that has ended is nothing to tell; neither is one of a node that just joined.
    if (rejected === 'late' || rejected === 'foreign') return;
    this.rareLog.warn(rejected, `A packet on the bus ${this.bus.title} was ignored: it is ${rejected}`);
  }

  /** Takes the packet, or returns why it is ignored. */
  private judge(header: Header, packet: Buffer): Rejected | null {
    const peer = this.peers.get(header.sender);
    if (!peer && header.receiver === this.self) this.hearStranger(header, packet);
    if (!peer || header.receiver !== this.self) return 'foreign';
    const { link } = peer;
    if (link && link.isOf(header)) {
      const verdict = link.take(header, packet);
      return verdict === 'taken' ? null : verdict;
    }
    const isGreeting = header.receiverEpoch.equals(NO_EPOCH);
    if (header.number !== 0 || !(isGreeting || header.receiverEpoch.equals(peer.offer))) return 'late';
    const opener = new Opener(this.seal, header);
    if (!opener.open(packet, 0)) return 'forged';
    if (isGreeting) this.publishGreeting(peer, header.senderEpoch);
    else this.openLink(peer, header, opener);
    return null;
  }

  /**
   * A node that joins greets before this one has read of it: what this one knows is old. Ids grow, so the greeting of a
   * node that has left, if somebody repeats it, says nothing.
   */
  private hearStranger(header: Header, packet: Buffer): void {
    if (header.number !== 0 || header.sender <= this.highestId) return;
    if (new Opener(this.seal, header).open(packet, 0)) this.host.heard(this.host.version + 1);
  }

  private openLink(peer: Peer, header: Header, opener: Opener): void {
    // The peer has left the link before, or it would not have taken up a new one.
    peer.link?.end('the peer opened a new one');
    const sealer = this.publishGreeting(peer, header.senderEpoch);
    peer.offer = randomBytes(EPOCH_BYTES);
    const link = new BusLink(this.host, header, sealer, opener);
    peer.link = link;
    this.opened.emit(link);
  }

  private onBroken(link: BusLink, reason: string | null): void {
    const peer = this.peers.get(link.peer);
    if (peer?.link === link) {
      if (reason === null) peer.heardAt = null;
      else if (link.isProved) peer.heardAt = link.heardAt;
      peer.link = null;
    }
    if (reason !== null) {
      const what = `The link to node ${link.peer} over ${this.bus.title} broke: ${reason}.`;
      this.rareLog.warn(
        `link ${link.peer}`,
        `${what} Messages without an answer wait for the next one, for up to 10 s.`,
      );
    }
    this.broken.emit(link);
  }
}
