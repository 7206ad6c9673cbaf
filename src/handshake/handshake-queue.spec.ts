import { PassThrough } from 'node:stream';
import { setImmediate as endOfTurn } from 'node:timers/promises';
import { ManualClock } from '../../test/support/manual-clock.js';
import { HandshakeQueue } from './handshake-queue.js';

describe('AdmissionLine', () => {
  let clock: ManualClock;
  /** Who was answered, in order: `+3` was admitted, `-3` was not. */
  let answers: string[];
  let line: HandshakeQueue;
  beforeEach(() => {
    clock = new ManualClock();
    answers = [];
  });
  afterEach(async () => {
    line.close();
    await endOfTurn();
  });

  const lineOf = (admissionsPerSecond: number | null) => (line = new HandshakeQueue({ clock, admissionsPerSecond }));

  function enter(count: number, from = 0): PassThrough[] {
    return Array.from({ length: count }, (_, index) => {
      const socket = new PassThrough();
      void line.enter(socket).then((isAdmitted) => answers.push(`${isAdmitted ? '+' : '-'}${from + index}`));
      return socket;
    });
  }

  const admitted = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `+${from + index}`);

  it('admits 16 in a turn of the event loop, first come, first served', async () => {
    lineOf(null);
    enter(40);
    for (const [so, waiting] of [
      [16, 24],
      [32, 8],
      [40, 0],
    ] as const) {
      await endOfTurn();
      expect(answers).toEqual(admitted(0, so));
      expect(line.length).toBe(waiting);
    }
  });

  it('lets in again at once when nobody waits any more', async () => {
    lineOf(null);
    enter(1);
    await endOfTurn();
    enter(1, 1);
    await endOfTurn();
    expect(answers).toEqual(['+0', '+1']);
  });

  it('lets nobody in who went away, and gives the turn to the next', async () => {
    lineOf(null);
    const sockets = enter(20);
    for (const socket of sockets.slice(0, 10)) socket.destroy();
    await new Promise((resolve) => sockets[9]!.once('close', resolve));
    expect(answers.filter((answer) => answer.startsWith('-'))).toHaveLength(10);
    await endOfTurn();
    expect(answers.filter((answer) => answer.startsWith('+'))).toEqual(admitted(10, 20));
    expect(sockets[19]!.listenerCount('close')).toBe(new PassThrough().listenerCount('close'));
  });

  it('lets in as many a second as it is told, and no more', async () => {
    lineOf(10);
    enter(30);
    await endOfTurn();
    expect(answers).toEqual(admitted(0, 10));
    clock.advance(99);
    await endOfTurn();
    expect(answers).toHaveLength(10);
    clock.advance(1);
    await endOfTurn();
    expect(answers).toEqual(admitted(0, 11));
    for (let turn = 0; turn < 10; turn += 1) {
      clock.advance(100);
      await endOfTurn();
    }
    expect(answers).toEqual(admitted(0, 21));
    expect(line.length).toBe(9);
  });

  it('sends away at once whoever comes to a line in which the wait would be too long', async () => {
    lineOf(2);
    enter(11);
    await Promise.resolve();
    expect(answers).toEqual(['-10']);
    expect(line.length).toBe(10);
  });

  it('sends away whoever has waited for 5 s', async () => {
    lineOf(null);
    enter(40);
    clock.advance(4_999);
    await endOfTurn();
    expect(answers).toEqual(admitted(0, 16));
    clock.advance(1); // A slow machine: three turns would have been needed.
    await endOfTurn();
    expect(answers.filter((answer) => answer.startsWith('+'))).toEqual(admitted(0, 32));
    expect(answers.filter((answer) => answer.startsWith('-'))).toHaveLength(8);
    expect(line.length).toBe(0);
  });

  it('sends everybody away when it closes, and lets nobody in afterwards', async () => {
    lineOf(null);
    enter(20);
    line.close();
    enter(1, 20);
    await endOfTurn();
    expect(answers.toSorted()).toEqual(Array.from({ length: 21 }, (_, index) => `-${index}`).toSorted());
    expect(line.length).toBe(0);
    expect(clock.pendingAlarms).toBe(0);
  });
});
