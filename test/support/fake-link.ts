import type { LinkFrame } from '../../src/cluster/frames.js';
import type { Link } from '../../src/cluster/link.js';

/** A link that keeps what is written to it. */
export class FakeLink implements Link {
  isOpen = true;
  waitingBytes = 0;
  readonly frames: LinkFrame[] = [];

  constructor(readonly peer: number) {}

  send(frame: LinkFrame): void {
    if (this.isOpen) this.frames.push(frame);
  }

  break(): void {
    this.isOpen = false;
  }

  /** Returns what was written since the last call. */
  take(): LinkFrame[] {
    return this.frames.splice(0);
  }
}
