import type { Broadcast } from '../connections/broadcast.js';
import type { Connection } from '../connections/connection.js';
import type { DeliveryService } from '../delivery/delivery.service.js';
import type { Clock, Moment } from '../options/clock.js';
import { Attachment } from './attachment.js';
import type { LinkFrame } from './frames.js';
import type { Link } from './link.js';
import type { Routes } from './routes.js';

/** How long a client waits for its welcome while no home can be reached, in milliseconds. */
const WITHOUT_HOME_MS = 10_000;
/** How many are attached at once: all those of a home that died would hold up everything else. */
const AT_ONCE = 1_000;

/**
 * The connections of this process, each attached to the mailbox of its user. When its home changes, or the link to it
 * breaks, a connection is attached again where the home is then, and stays open meanwhile.
 */
export class Attachments {
  private readonly byConnection = new Map<Connection, Attachment>();
  /** Those that are attached over a link, by number. What comes under another number is too late. */
  private readonly byNumber = new Map<number, Attachment>();
  private readonly unattached = new Set<Attachment>();
  /** Those whose clients have confirmed something that their homes are yet to be told. */
  private readonly confirmed = new Set<Attachment>();
  private lastNumber = 0;

  constructor(
    private readonly routes: Routes,
    private readonly home: DeliveryService,
    private readonly clock: Clock,
  ) {}

  /** Every connection has its home. */
  get areAttached(): boolean {
    return this.unattached.size === 0;
  }

  add(connection: Connection, opened: Moment): void {
    const attachment: Attachment = new Attachment(connection, opened, this.clock.monotonic(), () =>
      this.onUnattached(attachment),
    );
    this.byConnection.set(connection, attachment);
    this.unattached.add(attachment);
    this.tryToAttach(attachment);
  }

  remove(connection: Connection): void {
    const attachment = this.byConnection.get(connection);
    if (!attachment) return;
    this.byConnection.delete(connection);
    this.unattached.delete(attachment);
    if (this.confirmed.delete(attachment)) tellConfirmed(attachment);
    const { attachedTo } = attachment;
    attachment.attachedTo = null;
    if (attachedTo === 'here') this.home.detach(attachment);
    else if (attachedTo) {
      this.byNumber.delete(attachedTo.n);
      attachedTo.link.send(['detach', attachedTo.n]);
    }
  }

  /** Returns how many messages this confirms; null when no message with this seq was ever written to it. */
  confirm(connection: Connection, seq: number): number | null {
    const attachment = this.byConnection.get(connection);
    const confirmed = attachment?.confirm(seq) ?? (attachment ? null : 0);
    if (!confirmed || !attachment) return confirmed;
    const { attachedTo } = attachment;
    if (attachedTo === 'here') this.home.confirm(attachment, seq);
    else if (attachedTo) this.tellConfirmedSoon(attachment);
    return confirmed;
  }

  /** Of the acks that came in one piece only the last goes to the home: it confirms what the others have. */
  private tellConfirmedSoon(attachment: Attachment): void {
    if (this.confirmed.add(attachment).size > 1) return;
    queueMicrotask(() => {
      for (const each of this.confirmed) tellConfirmed(each);
      this.confirmed.clear();
    });
  }

  inFlight(connection: Connection): number {
    return this.byConnection.get(connection)?.inFlight ?? 0;
  }

  /** Writes a broadcast to every connection of this process; returns to how many, with those for which it is kept. */
  broadcast(broadcast: Broadcast): number {
    let written = 0;
    for (const attachment of this.byConnection.values()) if (attachment.onBroadcast(broadcast)) written += 1;
    return written;
  }

  /**
   * Attaches those that have no home, where that is possible now. Lets go of clients that have waited too long, before it
   * tries again: a home that attaches nobody is none.
   */
  pump(): void {
    const patience = this.clock.monotonic() - WITHOUT_HOME_MS;
    let attached = 0;
    for (const attachment of this.unattached) {
      if (!attachment.isWelcomed && attachment.since <= patience) {
        this.unattached.delete(attachment);
        attachment.giveUp();
      } else if (attached < AT_ONCE) {
        this.tryToAttach(attachment);
        if (attachment.attachedTo) attached += 1;
      }
    }
  }

  onFrame(frame: LinkFrame): void {
    const attachment = this.byNumber.get(frame[1] as number);
    if (!attachment) return;
    switch (frame[0]) {
      case 'opened':
        return attachment.onOpened(frame[2]);
      case 'message':
        // What this user says next is a reply to it, and has to lie behind it.
        if (frame[5].extras?.position !== undefined) this.home.recording?.clock.hear(frame[5].extras.position);
        return attachment.onMessage(frame[5], frame[2], frame[3], frame[4]);
      case 'caught-up':
        return attachment.onCaughtUp(frame[2]);
      case 'signal-to':
        return void attachment.writeSignal(frame[2]);
      case 'news-to':
        return attachment.writeNews(frame[2]);
      case 'close':
        this.byNumber.delete(frame[1]);
        return attachment.close(frame[2], frame[3]);
      case 'unattached':
        this.routes.onRefused(attachment.slot);
        this.onUnattached(attachment);
    }
  }

  onBroken(link: Link): void {
    for (const attachment of this.byNumber.values()) {
      const { attachedTo } = attachment;
      if (attachedTo !== 'here' && attachedTo?.link === link) this.onUnattached(attachment);
    }
  }

  /** The home in this process was fenced, and reads for nobody any more. */
  onAbandoned(): void {
    for (const attachment of this.byConnection.values()) {
      if (attachment.attachedTo === 'here') this.onUnattached(attachment);
    }
  }

  private onUnattached(attachment: Attachment): void {
    const { attachedTo } = attachment;
    if (!attachedTo) return;
    attachment.attachedTo = null;
    if (attachedTo !== 'here') this.byNumber.delete(attachedTo.n);
    this.unattached.add(attachment);
  }

  private tryToAttach(attachment: Attachment): void {
    const place = this.routes.to(attachment.slot);
    if (!place || !attachment.isOpen) return;
    this.unattached.delete(attachment);
    if (place === 'here') return this.home.attach(attachment, attachment.attach('here'));
    const n = (this.lastNumber += 1);
    this.byNumber.set(n, attachment);
    const firstSeq = attachment.attach({ link: place, n });
    const { user, id, opened, connection } = attachment;
    place.send(['attach', n, user, id, opened, firstSeq, connection.protocol]);
  }
}

/** What was written before it was attached there is not in flight at its home, and confirming it again changes nothing. */
function tellConfirmed({ attachedTo, confirmedSeq }: Attachment): void {
  if (attachedTo && attachedTo !== 'here') attachedTo.link.send(['confirm', attachedTo.n, confirmedSeq]);
}
