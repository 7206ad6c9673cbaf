import type { MailboxKey } from '../delivery/mailbox-store.js';
import { slotOf, slotSql } from './slot.js';

/**
 * Returns SQL that goes on a condition, for rows of these slots alone; for one server, which has all rows, nothing. It
 * leaves out the probe rows, which have a slot like all others.
 */
export function filterOf(slots: SlotSet | null, column: 'recipient' | 'name' = 'recipient'): string {
  return slots === null ? '' : ` AND ${column} <> '' AND ${slotSql(column)} = ANY (CAST(? AS integer[]))`;
}

/** Returns the parameters of the filter. */
export function parametersOf(slots: SlotSet | null): unknown[] {
  return slots === null ? [] : [slots.list];
}

/** The slots whose rows this node may store, delete and expire. */
export class SlotSet {
  private readonly slots = new Set<number>();

  get list(): number[] {
    return [...this.slots];
  }

  /** Returns whether the mailbox is in one of the slots. */
  has(mailbox: MailboxKey): boolean {
    return this.slots.has(slotOf(mailbox));
  }

  hasSlot(slot: number): boolean {
    return this.slots.has(slot);
  }

  add(slots: readonly number[]): void {
    for (const slot of slots) this.slots.add(slot);
  }

  remove(slots: readonly number[]): void {
    for (const slot of slots) this.slots.delete(slot);
  }

  clear(): void {
    this.slots.clear();
  }
}
