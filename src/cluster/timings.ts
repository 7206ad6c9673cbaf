/** The times by which nodes judge each other, in milliseconds, and the slots that are on their way at once. */
export interface Timings {
  /** From one beat to the next. */
  readonly beatMs: number;
  /** How long after a beat was sent no other node can have taken over. */
  readonly leaseMs: number;
  /** How long after its last beat a node is taken over. */
  readonly overdueMs: number;
  /** A node whose last frame is younger is heard. */
  readonly heardMs: number;
  /**
   * A node whose last frame is older is silent: it does not hear the other one either, and without beats it has stopped.
   * The second more is for the last frame of the other direction.
   */
  readonly silentMs: number;
  /** For how long all own beats must have arrived before a node takes over from another. */
  readonly steadyMs: number;
  /** How long a node does not hear others that beat before it hands over. */
  readonly asideAfterMs: number;
  /** How long it hears all of them again before it comes back. */
  readonly backAfterMs: number;
  /** How many slots are on their way to a node, and from a node that stays. */
  readonly slotsAtOnce: number;
}

export const TIMINGS: Timings = {
  beatMs: 1_000,
  leaseMs: 5_000,
  overdueMs: 6_000,
  heardMs: 3_000,
  silentMs: 4_000,
  steadyMs: 3_000,
  asideAfterMs: 5_000,
  backAfterMs: 10_000,
  slotsAtOnce: 16,
};

/** The pause before the next try after a failure, in milliseconds: the others wait three seconds for a lost session. */
export const RETRY_MS = 250;
/** The longest pause between tries to join again that are refused, in milliseconds: only an operator can help. */
export const REFUSED_MS = 10_000;
/** Longest wait for the end of the session when the node stops, in milliseconds. */
export const CLOSE_MS = 1_000;
