import { Inject, Injectable } from '@nestjs/common';
import { inNoContext } from '../options/no-context.js';
import type { WireEnding } from '../protocol/wire.js';
import { Delivery } from './delivery.js';
import { MAILBOX_STORE, type MailboxStore, type RemovalReason, type StoredHeader } from './mailbox-store.js';

/** How many endings are told in one turn of the event loop: as many as one statement deletes. */
const MAX_PER_TURN = 1_000;

/**
 * Tells the sender of a stored message what became of it, on each of their JSON connections that is open then. A message
 * that was never stored does not come here, and one whose sender is away costs one look-up.
 *
 * It is a hint: nothing is kept for a sender who is away, does not read, or has connected only now, and what exceeds the
 * bound of a turn is dropped.
 */
@Injectable()
export class Endings {
  /** What this turn has brought, by sender. */
  private bySender = new Map<string, WireEnding[]>();
  private count = 0;

  constructor(
    @Inject(Delivery) private readonly delivery: Delivery,
    @Inject(MAILBOX_STORE) store: MailboxStore,
  ) {
    store.removed.on((row, reason) => this.onRemoved(row, reason));
  }

  private onRemoved({ id, from, to, wasDeliveredFirst }: StoredHeader, reason: RemovalReason): void {
    if (wasDeliveredFirst || this.count === MAX_PER_TURN || !this.delivery.hears(from)) return;
    this.count += 1;
    if (this.count === 1) inNoContext(() => setImmediate(() => this.tell()));
    const ending: WireEnding = { id, to, end: reason === 'confirmed' ? 'delivered' : reason };
    const endings = this.bySender.get(from);
    if (endings) endings.push(ending);
    else this.bySender.set(from, [ending]);
  }

  private tell(): void {
    const { bySender } = this;
    this.bySender = new Map();
    this.count = 0;
    for (const [sender, endings] of bySender) this.delivery.tell(sender, { endings });
  }
}
