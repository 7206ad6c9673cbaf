import type { Clock } from '../../src/options/clock.js';

/** A clock that stands still until a test advances it. */
export class ManualClock implements Clock {
  private time = Date.parse('2026-11-23T09:30:00.000Z');
  /** How far it was set. This is not time that has passed. */
  private set = 0;
  private readonly alarms = new Set<{ at: number; callback: () => void }>();

  now(): number {
    return this.time + this.set;
  }

  monotonic(): number {
    return this.time;
  }

  /** Sets it ahead or back by `ms` milliseconds, as people and NTP do. No timer becomes due by this. */
  setBy(ms: number): void {
    this.set += ms;
  }

  after(ms: number, callback: () => void): () => void {
    const alarm = { at: this.time + ms, callback };
    this.alarms.add(alarm);
    return () => this.alarms.delete(alarm);
  }

  /** Lets `ms` milliseconds pass, and calls the timers that become due, in order. */
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
