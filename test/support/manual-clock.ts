import type { Clock } from '../../src/options/clock.js';

/** A clock that stands still until a test turns it. */
export class ManualClock implements Clock {
  private time = Date.parse('2026-11-23T09:30:00.000Z');
  /** How far it was set, which is no time that has passed. */
  private set = 0;
  private readonly alarms = new Set<{ at: number; callback: () => void }>();

  now(): number {
    return this.time + this.set;
  }

  monotonic(): number {
    return this.time;
  }

  /** Sets it by so many milliseconds, as people and networks do; nothing that waits becomes due by that. */
  setBy(ms: number): void {
    this.set += ms;
  }

  after(ms: number, callback: () => void): () => void {
    const alarm = { at: this.time + ms, callback };
    this.alarms.add(alarm);
    return () => this.alarms.delete(alarm);
  }

  /** Lets so many milliseconds pass; what was due in them is called in its order. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const next = [...this.alarms].sort((a, b) => a.at - b.at)[0];
      if (!next || next.at > end) break;
      this.alarms.delete(next);
      this.time = Math.max(this.time, next.at);
      next.callback();
    }
    this.time = end;
  }

  get pendingAlarms(): number {
    return this.alarms.size;
  }
}
