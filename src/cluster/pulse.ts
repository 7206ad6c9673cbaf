import type { Clock } from '../options/clock.js';

/** Least time between two rounds that others have caused, in milliseconds. */
const NUDGE_MS = 50;

/** Runs one round after the other: each some time after the one before, or when it is asked for. Never two at once. */
export class Pulse {
  private state: 'idle' | 'running' | 'stopped' = 'idle';
  private cancel: (() => void) | null = null;
  private startedAt = -Infinity;
  /** When the next round is wanted, by the monotonic clock. */
  private nextAt = Infinity;
  private whenStopped: (() => void) | null = null;

  /** `round` never rejects; it resolves to the time from its start to that of the next one, in milliseconds. */
  constructor(
    private readonly clock: Clock,
    private readonly round: () => Promise<number>,
  ) {}

  /** Begins a round now, or when the running one has ended. */
  wake(): void {
    this.want(this.clock.monotonic());
  }

  /** The same for what strangers can cause: such rounds keep a distance. */
  nudge(): void {
    this.want(Math.max(this.clock.monotonic(), this.startedAt + NUDGE_MS));
  }

  /** No round begins any more; resolves when the running one has ended. */
  stop(): Promise<void> {
    const isRunning = this.state === 'running' && this.whenStopped === null;
    this.state = 'stopped';
    this.cancel?.();
    return isRunning ? new Promise((resolve) => (this.whenStopped = resolve)) : Promise.resolve();
  }

  private want(at: number): void {
    if (this.state === 'stopped' || at >= this.nextAt) return;
    this.nextAt = at;
    if (this.state === 'idle') this.schedule();
  }

  private schedule(): void {
    this.cancel?.();
    this.cancel = this.clock.after(Math.max(0, this.nextAt - this.clock.monotonic()), () => void this.run());
  }

  private async run(): Promise<void> {
    this.state = 'running';
    this.startedAt = this.clock.monotonic();
    this.nextAt = Infinity;
    const ms = await this.round();
    if (this.isStopped) return this.whenStopped?.();
    this.state = 'idle';
    this.nextAt = Math.min(this.nextAt, this.startedAt + ms);
    this.schedule();
  }

  private get isStopped(): boolean {
    return this.state === 'stopped';
  }
}
