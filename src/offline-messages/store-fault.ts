/**
 * What a failure means for the next try.
 *
 * | fault     | the next try                                                                      |
 * | --------- | --------------------------------------------------------------------------------- |
 * | locked    | waits for a lock that another process or session holds                            |
 * | refused   | uses the same connection: the database says that nothing was changed              |
 * | broken    | opens the connection again first                                                  |
 * | displaced | takes the store again and gives new positions: somebody else has written into it  |
 * | fenced    | waits until this node has joined the cluster again                                |
 */
export type Fault = 'locked' | 'refused' | 'broken' | 'displaced' | 'fenced';

/**
 * How often a group is tried before senders are refused, with reads in between. SQLite waits 250 ms for a lock each
 * time, so eight tries are two seconds: a backup, or another process's commit, takes less. If a position is taken again
 * after new positions were given, the other writer is still writing.
 */
const TRIES: Readonly<Record<Fault, number>> = { locked: 8, displaced: 2, refused: 1, broken: 1, fenced: 1 };

/** Counts how often in a row a group failed with the same fault. */
export class TryCounter {
  private fault: Fault | null = null;
  private tries = 0;

  reset(): void {
    this.count(null);
  }

  /** Counts a round, with null when it succeeded; returns whether the group was tried as often as its fault allows. */
  count(fault: Fault | null): boolean {
    this.tries = fault === this.fault ? this.tries + 1 : 1;
    this.fault = fault;
    return fault !== null && this.tries >= TRIES[fault];
  }
}

/** Another server has taken the store. This one must not write anything before it has taken it back. */
export class Displaced extends Error {
  override readonly name = 'Displaced';

  constructor() {
    super('another server has written into this store');
  }
}

/** This node is not a member of the cluster any more: its slots are others' by now. It must not write anything. */
export class Fenced extends Error {
  override readonly name = 'Fenced';

  constructor() {
    super('this node is not a member of the cluster any more');
  }
}

/** Somebody else holds a lock: SQLite's; a deadlock, a serialization failure or a lock timeout of Postgres. */
const LOCKED = /^(SQLITE_(BUSY|LOCKED)(_\w+)?|40001|40P01|55P03)$/;
/**
 * Failures that changed nothing and leave the connection as good as before. On Postgres: bad data, a constraint, a
 * read-only transaction, a missing permission or table, no room, a limit, a statement that took too long.
 */
const CLEAN =
  /^(SQLITE_(FULL|READONLY|NOMEM|TOOBIG|CONSTRAINT(_\w+)?)|22\w{3}|23\w{3}|25006|42\w{3}|53100|53200|54\w{3}|57014)$/;

/**
 * Returns the fault of an error. An unknown one counts as broken: opening again costs milliseconds, a bad handle
 * messages.
 */
export function faultOf(error: unknown): Fault {
  if (error instanceof Displaced || isTaken(error)) return 'displaced';
  if (error instanceof Fenced) return 'fenced';
  const code = codeOf(error);
  if (LOCKED.test(code)) return 'locked';
  return CLEAN.test(code) ? 'refused' : 'broken';
}

/**
 * Returns whether another row has the position already. A repeated message is not an error, so a violated unique
 * constraint always means a position.
 */
function isTaken(error: unknown): boolean {
  const code = codeOf(error);
  return code === '23505' || (code.startsWith('SQLITE_CONSTRAINT') && String(error).includes('UNIQUE constraint'));
}

/** Returns whether the disk was full. */
export function isFull(error: unknown): boolean {
  return codeOf(error) === 'SQLITE_FULL';
}

/**
 * Returns the driver's code of an error: `SQLITE_FULL`, a SQLSTATE such as `53100`, `ECONNRESET`; empty when it has
 * none.
 */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : (/^SQLITE_\w+/.exec(error.message)?.[0] ?? '');
}
