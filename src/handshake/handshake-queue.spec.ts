import { PassThrough } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ManualClock } from '../../test/support/manual-clock.js';
import { HandshakeQueue } from './handshake-queue.js';

describe('HandshakeQueue', () => {
  let clock: ManualClock;
  /** The handshakes that left the queue, in order: `+3` had a turn, `-3` had none. */
  let left: string[];
  let queue: HandshakeQueue;
  beforeEach(() => {
    clock = new ManualClock();
    left = [];
  });
  afterEach(async () => {
    queue.close();
    await nextTurn();
  });

  const queueOf = (handshakesPerSecond: number | null) => (queue = new HandshakeQueue({ clock, handshakesPerSecond }));

  function enter(count: number, from = 0): PassThrough[] {
    return Array.from({ length: count }, (_, index) => {
      const socket = new PassThrough();
      void queue.enter(socket).then((hasTurn) => left.push(`${hasTurn ? '+' : '-'}${from + index}`));
      return socket;
    });
  }

  const withTurns = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `+${from + index}`);

  it('gives 16 their turn in each turn of the event loop, first come, first served', async () => {
    queueOf(null);
    enter(40);
    for (const [so, waiting] of [
      [16, 24],
      [32, 8],
      [40, 0],
    ] as const) {
      await nextTurn();
      expect(left).toEqual(withTurns(0, so));
      expect(queue.length).toBe(waiting);
    }
  });

  it('lets in again at once when nobody waits any more', async () => {
    queueOf(null);
    enter(1);
    await nextTurn();
    enter(1, 1);
    await nextTurn();
    expect(left).toEqual(['+0', '+1']);
  });

  it('lets nobody in who went away, and gives the turn to the next', async () => {
    queueOf(null);
    const sockets = enter(20);
    for (const socket of sockets.slice(0, 10)) socket.destroy();
    await new Promise((resolve) => sockets[9]!.once('close', resolve));
    expect(left.filter((each) => each.startsWith('-'))).toHaveLength(10);
    await nextTurn();
    expect(left.filter((each) => each.startsWith('+'))).toEqual(withTurns(10, 20));
    expect(sockets[19]!.listenerCount('close')).toBe(new PassThrough().listenerCount('close'));
  });

  it('lets in as many a second as it is told, and no more', async () => {
    queueOf(10);
    enter(30);
    await nextTurn();
    expect(left).toEqual(withTurns(0, 10));
    clock.advance(99);
    await nextTurn();
    expect(left).toHaveLength(10);
    clock.advance(1);
    await nextTurn();
    expect(left).toEqual(withTurns(0, 11));
    for (let turn = 0; turn < 10; turn += 1) {
      clock.advance(100);
      await nextTurn();
    }
    expect(left).toEqual(withTurns(0, 21));
    expect(queue.length).toBe(9);
  });

  it('sends away at once whoever comes when the wait would be too long', async () => {
    queueOf(2);
    enter(11);
    await Promise.resolve();
    expect(left).toEqual(['-10']);
    expect(queue.length).toBe(10);
  });

  it('sends away whoever has waited for 5 s', async () => {
    queueOf(null);
    enter(40);
    clock.advance(4_999);
    await nextTurn();
    expect(left).toEqual(withTurns(0, 16));
    clock.advance(1); // A slow machine: three turns would have been needed.
    await nextTurn();
    expect(left.filter((each) => each.startsWith('+'))).toEqual(withTurns(0, 32));
    expect(left.filter((each) => each.startsWith('-'))).toHaveLength(8);
    expect(queue.length).toBe(0);
  });

  it('sends everybody away when it closes, and lets nobody in afterwards', async () => {
    queueOf(null);
    enter(20);
    queue.close();
    enter(1, 20);
    await nextTurn();
    expect(left.toSorted()).toEqual(Array.from({ length: 21 }, (_, index) => `-${index}`).toSorted());
    expect(queue.length).toBe(0);
    expect(clock.pendingAlarms).toBe(0);
  });
});
