/**
 * A condition of every statement that inserts or deletes: who is not the owner any more changes nothing. Only Ownership
 * and NodeOwnership make one.
 */
export interface Fence {
  /** SQL with one `?`. It is a constant. */
  readonly sql: string;
  /** The parameter. That of a node changes when it joins again; with null, nothing is ever inserted or deleted. */
  readonly value: string | number | null;
  /** Tells the probe rows of several writers apart: the id of a node, 0 for one server. */
  readonly probe: number;
}

/** The fence of a reader. */
export const NEVER: Fence = { sql: 'CAST(? AS varchar) IS NOT NULL', value: null, probe: 0 };
