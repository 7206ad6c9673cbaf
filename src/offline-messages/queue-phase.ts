/**
 * What the commit queue is doing. Whether the disk takes messages is not a phase: StoreHealth knows, and it may change
 * in any of them.
 *
 * | phase      | what happens                                                                                 |
 * | ---------- | -------------------------------------------------------------------------------------------- |
 * | idle       | nothing waits, and no round is running                                                       |
 * | committing | rounds are running, one after the other                                                      |
 * | pausing    | a round has failed, and its messages and deletes are tried again after a pause               |
 * | resting    | a round has failed and nothing is left to commit: the disk is tried again after a pause, or  |
 * |            | as soon as something is asked for                                                            |
 * | closing    | the last rounds are running; nobody may read any more                                        |
 * | closed     | no round is running; what is asked for now is tried once                                     |
 * | outside    | this node is not, or not any more, a member of the cluster: everything waits until it joins   |
 */
export type QueuePhase = 'idle' | 'committing' | 'pausing' | 'resting' | 'closing' | 'closed' | 'outside';

/** What moves the queue from one phase to another. */
export type QueueEvent =
  /** Somebody asked for a commit or a read. */
  | 'asked'
  /** Everything that was asked for is committed, and nobody waits. */
  | 'done'
  /** A round failed and those who wait were refused; something is left to commit. */
  | 'failed'
  /** The same, and nothing is left to commit. */
  | 'failed-empty'
  /** The pause is over. */
  | 'pause-over'
  /** The server is going away. */
  | 'close'
  /** This node is not a member of the cluster any more, and owns no rows. */
  | 'fenced'
  /** It has joined the cluster. */
  | 'joined';

const TRANSITIONS: Readonly<Record<QueuePhase, Partial<Record<QueueEvent, QueuePhase>>>> = {
  idle: { asked: 'committing', fenced: 'outside', close: 'closed' },
  committing: { done: 'idle', failed: 'pausing', 'failed-empty': 'resting', fenced: 'outside', close: 'closing' },
  pausing: { 'pause-over': 'committing', fenced: 'outside', close: 'closing' },
  resting: { 'pause-over': 'committing', asked: 'committing', fenced: 'outside', close: 'closing' },
  // What fails even now is given up: nobody is left to try it again.
  closing: { done: 'closed', failed: 'closed', 'failed-empty': 'closed' },
  closed: { asked: 'closing' },
  outside: { joined: 'committing', close: 'closed' },
};

/** The phase after an event; the same phase where the event changes nothing. */
export function nextPhase(phase: QueuePhase, event: QueueEvent): QueuePhase {
  return TRANSITIONS[phase][event] ?? phase;
}

/** Rounds are running, or will be after a pause. */
export function isRunning(phase: QueuePhase): boolean {
  return phase !== 'idle' && phase !== 'closed' && phase !== 'outside';
}

export function isPaused(phase: QueuePhase): boolean {
  return phase === 'pausing' || phase === 'resting';
}

export function isClosing(phase: QueuePhase): boolean {
  return phase === 'closing' || phase === 'closed';
}
