import type { DeliveryService } from '../delivery/delivery.service.js';
import type { Receiver } from '../delivery/receiver.js';
import type { OutcomeListener } from '../delivery/pending-receipt.js';
import type { Moment } from '../options/clock.js';
import type { ChatError } from '../protocol/chat-error.js';
import type { Message, Receipt } from '../protocol/message.js';
import type { News } from '../protocol/news.js';
import type { Signal } from '../protocol/signal.js';
import type { LinkFrame } from './frames.js';
import type { Link } from './link.js';
import { refusalOf } from './refusal.js';
import { slotOf } from '../offline-messages/slot.js';

type AttachFrame = Extract<LinkFrame, readonly ['attach', ...unknown[]]>;

/** A connection of another node, attached to a mailbox here. */
class RemoteReceiver implements Receiver {
  private isAttached = true;
  private readonly n: number;
  readonly user: string;
  readonly id: string;
  readonly opened: Moment;
  private readonly protocol: 'text' | 'json';

  constructor(
    private readonly link: Link,
    frame: AttachFrame,
    /** Called when the home has ended it. */
    private readonly onEnded: () => void,
  ) {
    [, this.n, this.user, this.id, this.opened, , this.protocol] = frame;
  }

  get isOpen(): boolean {
    return this.isAttached && this.link.isOpen;
  }

  onOpened(pending: number | null): void {
    this.link.send(['opened', this.n, pending]);
  }

  onMessage(message: Message, seq: number, delayed: boolean, isAwaited: boolean): void {
    this.link.send(['message', this.n, seq, delayed, isAwaited, message]);
  }

  /** Each edge writes broadcasts to its own connections. */
  onBroadcast(): boolean {
    return false;
  }

  onCaughtUp(delivered: number): void {
    this.link.send(['caught-up', this.n, delivered]);
  }

  writeSignal(signal: Signal): boolean {
    if (!this.isOpen || this.protocol === 'text') return false;
    this.link.send(['signal-to', this.n, signal]);
    return true;
  }

  writeNews(news: News): void {
    if (this.isOpen) this.link.send(['news-to', this.n, news]);
  }

  close(code: number, reason: string): void {
    this.end(['close', this.n, code, reason]);
  }

  onReleased(): void {
    this.end(['unattached', this.n]);
  }

  /** Nothing is written to it any more. */
  end(frame?: LinkFrame): void {
    if (!this.isAttached) return;
    this.isAttached = false;
    if (frame) this.link.send(frame);
    this.onEnded();
  }
}

/** A sender of another node, who waits for the outcome of one message. */
export class RemoteSender implements OutcomeListener {
  constructor(
    private readonly link: Link,
    private readonly slot: number,
    private readonly n: number,
    readonly awaitsReceipt: boolean,
  ) {}

  onReceipt({ status, sentAt, position }: Receipt, repeated: boolean): void {
    if (status === 'broadcast') return;
    const { link, slot, n } = this;
    if (position === undefined) link.send(['receipt', slot, n, status, sentAt, repeated]);
    else link.send(['receipt', slot, n, status, sentAt, repeated, position]);
  }

  onRefused(error: ChatError): void {
    this.link.send(['refused', this.slot, this.n, refusalOf(error)]);
  }
}

/**
 * What the home here keeps for one link: the connections at its other end that read mailboxes here, and which streams
 * it has refused. It lives as long as the link, so an edge that begins anew is not mistaken for the one before.
 */
export class LinkedEdge {
  private readonly receivers = new Map<number, RemoteReceiver>();
  /** The last stream of each slot that was refused: all of it is. */
  private readonly refused = new Map<number, number>();

  constructor(
    private readonly link: Link,
    private readonly home: DeliveryService,
    /** Whether a message or a connection of this slot may be accepted now. */
    private readonly serves: (slot: number) => boolean,
  ) {}

  onFrame(frame: LinkFrame): void {
    switch (frame[0]) {
      case 'send':
        if (frame[6] !== undefined) this.home.recording?.clock.hear(frame[6]);
        return this.accept(frame[1], frame[2], frame[3], frame[4], frame[5]);
      case 'attach':
        return this.attach(frame);
      case 'confirm': {
        const receiver = this.receivers.get(frame[1]);
        if (receiver) this.home.confirm(receiver, frame[2]);
        return;
      }
      case 'detach':
        this.detach(this.receivers.get(frame[1]));
    }
  }

  /** The link is broken: what its connections have not confirmed is stored, and they attach again over another. */
  close(): void {
    for (const receiver of this.receivers.values()) this.detach(receiver);
  }

  private accept(slot: number, stream: number, n: number, message: Message, isAwaited: boolean): void {
    if ((this.refused.get(slot) ?? 0) >= stream) return;
    if (this.serves(slot)) return this.home.take(message, new RemoteSender(this.link, slot, n, isAwaited));
    this.refused.set(slot, stream);
    this.link.send(['moved', slot, stream]);
  }

  private attach(frame: AttachFrame): void {
    const [, n, user, , , firstSeq] = frame;
    if (!this.serves(slotOf(user))) return this.link.send(['unattached', n]);
    const receiver = new RemoteReceiver(this.link, frame, () => this.receivers.delete(n));
    this.receivers.set(n, receiver);
    this.home.attach(receiver, firstSeq);
    // What it was told has filled the link, which broke before the home knew of it.
    if (!this.link.isOpen) this.detach(receiver);
  }

  private detach(receiver: RemoteReceiver | undefined): void {
    if (!receiver) return;
    receiver.end();
    this.home.detach(receiver);
  }
}
