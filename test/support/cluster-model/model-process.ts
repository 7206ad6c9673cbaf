import type { Clock } from '../../../src/options/clock.js';
import type { VirtualTime } from './virtual-time.js';

/**
 * A process of an operating system that can be killed, and stopped and continued. Whatever comes to it from outside
 * passes `enter`: a stopped process handles it when it goes on, in order; a dead one never does.
 */
export class ModelProcess {
  state: 'running' | 'stopped' | 'dead' = 'running';
  stoppedAt = 0;
  readonly clock: Clock;
  private late: (() => void)[] = [];

  constructor(readonly time: VirtualTime) {
    this.clock = {
      now: () => 1_700_000_000_000 + time.now,
      monotonic: () => time.now,
      after: (ms, callback) => {
        let isDue = true;
        this.after(ms, () => isDue && callback());
        return () => void (isDue = false);
      },
    };
  }

  enter(work: () => void): void {
    if (this.state === 'running' && this.late.length === 0) work();
    else if (this.state !== 'dead') this.late.push(work);
  }

  after(ms: number, work: () => void): void {
    this.time.after(ms, () => this.enter(work));
  }

  stop(): void {
    if (this.state !== 'running') return;
    this.state = 'stopped';
    this.stoppedAt = this.time.now;
  }

  goOn(): void {
    if (this.state !== 'stopped') return;
    this.state = 'running';
    this.handleLate();
  }

  kill(): void {
    this.state = 'dead';
    this.late = [];
  }

  private handleLate(): void {
    this.time.after(0, () => {
      if (this.state !== 'running') return;
      this.late.shift()?.();
      if (this.late.length > 0) this.handleLate();
    });
  }
}
