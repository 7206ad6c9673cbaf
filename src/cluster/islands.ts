import type { Clock } from '../options/clock.js';
import type { OtherBeat } from './node.table.js';

/** What a node that does not hear others is to do. */
export type Verdict = 'stay' | 'stand-aside' | 'come-back';

/**
 * Nodes that beat but do not hear each other can't serve together. Each writes how many it does not hear; the one with
 * most of them, and of those the highest id, hands over. So a node that is cut off from all others goes, and of nodes
 * that are all cut off from each other one remains.
 */
export class Islands {
  private unheardSince: number | null = null;
  private heardSince: number | null = null;
  /** How many nodes that stay and beat are not heard: it goes with the next beat. */
  unheard = 0;

  constructor(
    private readonly clock: Clock,
    private readonly asideAfterMs: number,
    private readonly backAfterMs: number,
  ) {}

  /** `others` are those that beat and stay. */
  judge(self: number, isAside: boolean, others: readonly OtherBeat[], hears: (node: number) => boolean): Verdict {
    const now = this.clock.monotonic();
    this.unheard = others.filter(({ id }) => !hears(id)).length;
    this.unheardSince = this.unheard === 0 ? null : (this.unheardSince ?? now);
    this.heardSince = this.unheard === 0 ? (this.heardSince ?? now) : null;
    if (isAside) return this.heardSince !== null && now - this.heardSince >= this.backAfterMs ? 'come-back' : 'stay';
    if (this.unheardSince === null || now - this.unheardSince < this.asideAfterMs) return 'stay';
    const isWorse = ({ id, unheard }: OtherBeat) => unheard > this.unheard || (unheard === this.unheard && id > self);
    return others.some(isWorse) ? 'stay' : 'stand-aside';
  }

  reset(): void {
    this.unheard = 0;
    this.unheardSince = null;
    this.heardSince = null;
  }
}
