import { createHash } from 'node:crypto';

/** How many slots there are. It is fixed: the index of the store is made with it. */
export const SLOTS = 1_024;

/** The same in SQL, of a column or expression; Postgres can keep an index of it. */
export const slotSql = (name: string): string =>
  `(get_byte(decode(substr(md5(${name}), 1, 4), 'hex'), 0) % 4) * 256 + get_byte(decode(substr(md5(${name}), 1, 4), 'hex'), 1)`;

/** Returns the slot of a user: a hash of the name, modulo SLOTS. */
export function slotOf(user: string): number {
  const hash = createHash('md5').update(user).digest();
  return (hash[0]! % 4) * 256 + hash[1]!;
}
