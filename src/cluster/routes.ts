import type { Clock } from '../options/clock.js';
import type { Link, Links } from './link.js';
import type { Membership } from './membership.js';
import type { ServedSlots } from './served-slots.js';
import { SLOTS } from '../offline-messages/slot.js';

/** Pause before a home that did not serve a slot is asked again, in milliseconds; it tells when it serves it. */
const REFUSED_MS = 100;

/** Where the home of a slot is: in this process, or at the other end of a link. */
export type Place = 'here' | Link;

/** Finds the home of each slot. */
export class Routes {
  private readonly askAgainAt = new Float64Array(SLOTS);

  constructor(
    private readonly membership: Membership,
    private readonly links: Links,
    private readonly slots: ServedSlots,
    private readonly clock: Clock,
  ) {}

  /** Returns where the home of a slot is; null while none can be reached. */
  to(slot: number): Place | null {
    const owner = this.ownerOf(slot);
    if (owner === null) return null;
    if (owner === this.membership.self) return this.slots.serves(slot) ? 'here' : null;
    return this.clock.monotonic() < this.askAgainAt[slot]! ? null : this.links.to(owner);
  }

  /** Returns the node that a slot belongs to; null when it belongs to none. */
  ownerOf(slot: number): number | null {
    return this.membership.view.owners[slot] ?? null;
  }

  /** A home has said that it does not serve this slot. */
  onRefused(slot: number): void {
    this.askAgainAt[slot] = this.clock.monotonic() + REFUSED_MS;
  }

  /** A home has said that it serves these slots now. */
  onServing(slots: readonly number[]): void {
    for (const slot of slots) this.askAgainAt[slot] = 0;
  }
}
