/** Events in virtual time, in milliseconds, and chance that a seed decides: a run can be repeated. */
export class VirtualTime {
  now = 0;
  private readonly queue: Event[] = [];
  private count = 0;
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0 || 1;
  }

  /** A number from 0 to below 1. */
  chance(): number {
    let bits = (this.state += 0x6d2b79f5);
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.chance() * items.length)]!;
  }

  /** Calls back after so many milliseconds. */
  after(ms: number, callback: () => void): void {
    const event = { at: this.now + Math.max(0, ms), count: (this.count += 1), callback };
    const { queue } = this;
    let index = queue.length;
    queue.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(queue[parent]!, event)) break;
      queue[index] = queue[parent]!;
      index = parent;
    }
    queue[index] = event;
  }

  /** Lets time pass. Between two events, what the first has begun in promises and turns of the event loop ends. */
  async run(until: number): Promise<void> {
    while (this.queue.length > 0 && this.queue[0]!.at <= until) {
      const event = this.take();
      this.now = event.at;
      event.callback();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.now = until;
  }

  private take(): Event {
    const { queue } = this;
    const first = queue[0]!;
    const last = queue.pop()!;
    if (queue.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= queue.length) break;
      if (child + 1 < queue.length && isBefore(queue[child + 1]!, queue[child]!)) child += 1;
      if (isBefore(last, queue[child]!)) break;
      queue[index] = queue[child]!;
      index = child;
    }
    queue[index] = last;
    return first;
  }
}

interface Event {
  readonly at: number;
  readonly count: number;
  readonly callback: () => void;
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.count < other.count);
}
