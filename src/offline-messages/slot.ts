import { hash } from 'node:crypto';

/** How many slots there are. It is fixed: the index of the store is made with it. */
export const SLOTS = 1_024;

/** The same in SQL, of a column or expression; Postgres can keep an index of it. */
export const slotSql = (name: string): string =>
  `(get_byte(decode(substr(md5(${name}), 1, 4), 'hex'), 0) % 4) * 256 + get_byte(decode(substr(md5(${name}), 1, 4), 'hex'), 1)`;

/** How many names are remembered: a hash costs more than everything else that an edge does for a message. */
const REMEMBERED = 8_192;
const slots = new Map<string, number>();

/** Returns the slot of a user: a hash of the name, modulo SLOTS. */
export function slotOf(user: string): number {
  let slot = slots.get(user);
  if (slot === undefined) {
    slot = Number.parseInt(hash('md5', user).slice(0, 4), 16) % SLOTS;
    if (slots.size >= REMEMBERED) slots.clear();
    slots.set(user, slot);
  }
  return slot;
}
