// What stands for somebody who was erased, in the record of those whom they wrote with. It has a `|`, which no user name
// may have: nobody connects as it, and nothing can be sent to it.

const PSEUDONYM = /^erased\|[\w-]{22}$/;

/** Returns the pseudonym that ends with these 22 characters. */
export function pseudonymOf(ending: string): string {
  return `erased|${ending}`;
}

/** Whether this stands for somebody who was erased. */
export function isPseudonym(name: unknown): name is string {
  return typeof name === 'string' && PSEUDONYM.test(name);
}
