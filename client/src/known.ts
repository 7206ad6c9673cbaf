import type { StateChange } from './api.js';
import type { Emitter } from './emitter.js';
import type { Shared } from './tabs.js';

export const IDLE: StateChange = { state: 'idle', why: '', code: null, retryAt: null };

export const CONNECTING: StateChange = { ...IDLE, state: 'connecting' };

export function isSame(one: StateChange, other: StateChange): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** What this tab knows of the connection: its own, or that of the tab that leads. Its handlers hear of changes. */
export class Known {
  #shared: Shared;
  /** The one before the tab that leads. */
  #formerLeader = '';

  constructor(
    user: string | null,
    private readonly emitter: Emitter,
  ) {
    this.#shared = { leader: '', records: false, state: IDLE, user, clockAheadMs: 0, maxContentBytes: null };
  }

  get shared(): Shared {
    return this.#shared;
  }

  /** There is no connection, and none will be made. */
  get isOver(): boolean {
    return ['idle', 'stopped'].includes(this.#shared.state.state);
  }

  learn(known: Partial<Shared>): void {
    const before = this.#shared.state;
    this.#shared = { ...this.#shared, ...known };
    const { state } = this.#shared;
    if (!isSame(before, state)) this.emitter.emit('state', state);
  }

  /** Learns how things stand in the tab that leads. Returns whether that is another tab; null when it leads no more. */
  hear(shared: Shared): boolean | null {
    if (shared.leader === this.#formerLeader) return null; // It hung, and does not know yet that it was replaced.
    const { leader } = this.#shared;
    const isAnother = leader !== '' && shared.leader !== leader;
    if (isAnother) this.#formerLeader = leader;
    this.learn(shared);
    return isAnother;
  }

  /** Waits until the tab that has the connection has ended it. Rejects after two seconds: it hangs, and may yet receive. */
  async untilOffline(): Promise<void> {
    for (let looks = 0; !this.isOver; looks += 1) {
      if (looks === 40) throw new Error('another tab hangs');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
