/**
 * What a failure says about the next try: wait for the lock, try on the same handle, trust the handle no more, or, when
 * somebody else has written into the store, take it anew and give new positions.
 */
export type Fault = 'locked' | 'refused' | 'broken' | 'displaced';

/**
 * How often a group is tried before senders are told, with reads in between. SQLite waits 250 ms for a lock each time: a backup
 * or another process's commit takes less than the two seconds that this makes. Who meets a second row in its place after it
 * has given new positions meets somebody who goes on writing.
 */
export const TRIES: Readonly<Record<Fault, number>> = { locked: 8, displaced: 2, refused: 1, broken: 1 };

/** Another server has taken the store, so this one may write nothing until it has taken it back. */
export class Displaced extends Error {
  override readonly name = 'Displaced';

  constructor() {
    super('another server has written into this store');
  }
}

/** A lock that somebody else holds: SQLite's; a deadlock, a serialization failure, a lock timeout of Postgres. */
const LOCKED = /^(SQLITE_(BUSY|LOCKED)(_\w+)?|40001|40P01|55P03)$/;
/**
 * Failures after which the database says that nothing was changed, and the handle is as good as before. Of Postgres: bad
 * data, a constraint, a transaction that only reads, a missing permission or table, no room, a limit, a statement that
 * took too long.
 */
const CLEAN =
  /^(SQLITE_(FULL|READONLY|NOMEM|TOOBIG|CONSTRAINT(_\w+)?)|22\w{3}|23\w{3}|25006|42\w{3}|53100|53200|54\w{3}|57014)$/;

/** All but what is known to be clean is taken for broken: an unneeded opening costs milliseconds, a bad handle messages. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Displaced || isTaken(error)) return 'displaced';
  const code = codeOf(error);
  if (LOCKED.test(code)) return 'locked';
  return CLEAN.test(code) ? 'refused' : 'broken';
}

/**
 * Says whether a row with this position is there already. Repeats of a message are no errors, so that positions are all that
 * a constraint on uniqueness can mean.
 */
export function isTaken(error: unknown): boolean {
  const code = codeOf(error);
  return code === '23505' || (code.startsWith('SQLITE_CONSTRAINT') && String(error).includes('UNIQUE constraint'));
}

/** Says whether there was no room on the disk. */
export function isFull(error: unknown): boolean {
  return codeOf(error) === 'SQLITE_FULL';
}

/** The code that a driver gave its error: `SQLITE_FULL`, a SQLSTATE such as `53100`, `ECONNRESET`; empty when there is none. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : (/^SQLITE_\w+/.exec(error.message)?.[0] ?? '');
}
