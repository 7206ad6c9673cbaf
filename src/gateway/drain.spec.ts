import { EventEmitter } from 'node:events';
import type { WebSocket } from 'ws';
import { ManualClock } from '../../test/support/manual-clock.js';
import type { Delivery } from '../delivery/delivery.js';
import { resolveChatOptions } from '../options/chat.options.js';
import { drain } from './drain.js';
import type { SendQueue } from './send-queue.js';

const DRAIN_MS = 5_000;
const REASON = /^the server is going away; retry-after=([1-9]\d*)$/;

/** A crowd of clients that reply to the close frame or not, and what each was told and when. */
class Crowd {
  readonly clock = new ManualClock();
  readonly clients = new Map<WebSocket, SendQueue>();
  /** When each client was told, in milliseconds from the beginning. */
  readonly toldAt: number[] = [];
  readonly hints: number[] = [];
  cutOff = 0;
  taken: Promise<void> = Promise.resolve();
  settled: Promise<void> = Promise.resolve();
  over = false;
  private readonly begun = this.clock.now();

  constructor(count: number, answers: boolean) {
    for (let n = 0; n < count; n += 1) this.add(answers);
  }

  /** Drains them and turns the clock to that time, or until it is over. */
  async run(untilMs: number): Promise<void> {
    const delivery = { settle: () => this.settled } as Delivery;
    const options = resolveChatOptions({ clock: this.clock, drainMs: DRAIN_MS });
    void drain(this.clients, delivery, options).then(() => (this.over = true));
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.over || this.elapsed >= untilMs) return;
      this.clock.advance(10);
    }
  }

  get elapsed(): number {
    return this.clock.now() - this.begun;
  }

  private add(answers: boolean): void {
    const socket = new EventEmitter() as unknown as WebSocket;
    const end = () => {
      this.clients.delete(socket);
      socket.emit('close');
    };
    socket.terminate = () => {
      this.cutOff += 1;
      end();
    };
    const close = (code: number, reason: string) => {
      expect(code).toBe(1001);
      this.toldAt.push(this.elapsed);
      this.hints.push(Number(REASON.exec(reason)![1]));
      if (answers) end();
    };
    const connection = { reading: { hold: () => undefined }, close, finish: () => Promise.resolve() };
    this.clients.set(socket, { connection, flush: () => this.taken } as unknown as SendQueue);
  }
}

describe('a drain', () => {
  it('is over at once with few clients', async () => {
    for (const count of [0, 10, 100]) {
      const crowd = new Crowd(count, true);
      await crowd.run(DRAIN_MS);
      expect(crowd.toldAt).toEqual(Array(count).fill(0));
      expect(crowd.elapsed).toBe(0);
      expect(crowd.clock.pendingAlarms).toBe(0);
    }
  });

  it('comes to many in even steps, over half of the time and no longer', async () => {
    const crowd = new Crowd(10_000, true);
    await crowd.run(DRAIN_MS);
    expect(crowd.toldAt).toHaveLength(10_000);
    expect(crowd.over).toBe(true);
    expect(crowd.elapsed).toBeGreaterThan(0.45 * DRAIN_MS);
    expect(crowd.elapsed).toBeLessThanOrEqual(0.5 * DRAIN_MS);
    const perTurn = new Map<number, number>();
    for (const at of crowd.toldAt) perTurn.set(at, (perTurn.get(at) ?? 0) + 1);
    expect(Math.max(...perTurn.values())).toBeLessThanOrEqual(200);
    expect(crowd.cutOff).toBe(0);
  });

  it.each([
    [1_000, 4],
    [10_000, 10],
  ])('calls %d clients back over %d seconds, in like numbers', async (count, seconds) => {
    const crowd = new Crowd(count, true);
    await crowd.run(DRAIN_MS);
    for (let second = 1; second <= seconds; second += 1) {
      const share = crowd.hints.filter((hint) => hint === second).length / count;
      expect(share * seconds).toBeGreaterThan(0.5);
      expect(share * seconds).toBeLessThan(1.5);
    }
    expect(Math.max(...crowd.hints)).toBe(seconds);
  });

  it('cuts off whoever does not answer, when its time is over', async () => {
    const crowd = new Crowd(250, false);
    await crowd.run(DRAIN_MS - 10);
    expect(crowd).toMatchObject({ over: false, cutOff: 0 });
    crowd.clock.advance(10);
    await new Promise((resolve) => setImmediate(resolve));
    expect(crowd).toMatchObject({ over: true, cutOff: 250 });
  });

  it('ends in order though a client breaks the protocol instead of answering', async () => {
    const crowd = new Crowd(1, false);
    await crowd.run(0);
    const [socket] = [...crowd.clients.keys()];
    socket!.on('error', () => undefined);
    socket!.emit('error', new RangeError('Invalid WebSocket frame'));
    socket!.emit('close');
    await new Promise((resolve) => setImmediate(resolve));
    expect(crowd.over).toBe(true);
  });

  it.each(['settled', 'taken'] as const)('reaches everybody though what they sent is never %s', async (what) => {
    const crowd = new Crowd(500, true);
    crowd[what] = new Promise(() => undefined);
    await crowd.run(DRAIN_MS);
    // All in one step, as no time is left for more.
    expect(crowd.toldAt).toEqual(Array(500).fill(DRAIN_MS / 2));
    expect(crowd).toMatchObject({ over: true, cutOff: 0 });
  });
});
