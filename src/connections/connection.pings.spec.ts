import { jest } from '@jest/globals';
import { connectionThatBuffers } from '../../test/support/buffering-connection.js';
import { ManualClock } from '../../test/support/manual-clock.js';
import type { Turn } from './end-of-turn.js';

/** Length of what a ping carries, at the end of its frame. */
const NONCE_BYTES = 16;

describe('the pings that ask for confirmation', () => {
  it('are eight at most; the ninth is written at the end of the turn in which a pong comes', () => {
    const { connection, context, stream } = connectionThatBuffers('text');
    const turns: Turn[] = [];
    context.turns.add = (turn) => void turns.push(turn);
    const endTurns = () => turns.splice(0).forEach((turn) => turn.endTurn());
    for (let seq = 1; seq <= 9; seq += 1) {
      connection.onMessage({ id: 'm', from: 'alice', to: 'bob', content: 'x', sentAt: 0 }, seq, false, true);
      endTurns();
    }
    const nonces = () => stream.write.mock.calls.map(([frames]) => frames.subarray(-NONCE_BYTES));
    const [first, , , , , , , , withoutPing] = nonces();
    expect(withoutPing).toHaveLength('x'.length + 2);
    expect(connection.handlePong(first!)).toBe(1);
    endTurns();
    expect(connection.handlePong(nonces().at(-1)!)).toBe(9);
  });
});

describe('a text connection that is near', () => {
  /** Opens one whose first message was confirmed after this round trip. `write` returns whether a ping was written. */
  function nearConnection(roundTripMs = 0, persistAfterMs = 250) {
    const clock = new ManualClock();
    const sides = connectionThatBuffers('text', { clock, persistAfterMs });
    const { connection, context, stream } = sides;
    const turns: Turn[] = [];
    context.turns.add = (turn) => void turns.push(turn);
    const endTurns = () => turns.splice(0).forEach((turn) => turn.endTurn());
    let seq = 0;
    const lastFrames = () => stream.write.mock.calls.at(-1)![0];
    const hasPing = () => lastFrames().length > NONCE_BYTES;
    const write = (isAwaited = false) => {
      seq += 1;
      connection.onMessage({ id: 'm', from: 'alice', to: 'bob', content: 'x', sentAt: 0 }, seq, false, isAwaited);
      endTurns();
      return hasPing();
    };
    const pong = (afterMs: number) => {
      const nonce = lastFrames().subarray(-NONCE_BYTES);
      clock.advance(afterMs);
      const confirmed = connection.handlePong(nonce);
      endTurns();
      return confirmed;
    };
    expect(write()).toBe(true);
    expect(pong(roundTripMs)).toBe(1);
    clock.advance(1_000);
    stream.write.mockClear();
    return { ...sides, clock, write, pong, endTurns, hasPing, writes: () => stream.write.mock.calls.length };
  }

  it('is pinged with a message after a pause, and then for all messages of 40 ms together', () => {
    const { clock, write, pong } = nearConnection();
    expect(write()).toBe(true);
    for (let n = 0; n < 3; n += 1) {
      clock.advance(13);
      expect(write()).toBe(false);
    }
    clock.advance(1);
    expect(write()).toBe(true);
    expect(pong(0)).toBe(6);
  });

  it('is pinged within 50 ms when no later message brings a ping, and only once', () => {
    const { clock, write, pong, endTurns, hasPing, writes } = nearConnection();
    write();
    expect(write()).toBe(false);
    clock.advance(20);
    expect(write()).toBe(false);
    clock.advance(24);
    endTurns();
    expect(writes()).toBe(3);
    clock.advance(6);
    endTurns();
    expect([writes(), hasPing()]).toEqual([4, true]);
    expect(pong(0)).toBe(4);
    clock.advance(1_000);
    endTurns();
    expect(writes()).toBe(4);
  });

  it('is pinged at once when somebody waits for the confirmation', () => {
    const { write } = nearConnection();
    write();
    expect(write()).toBe(false);
    expect(write(true)).toBe(true);
    expect(write()).toBe(false);
  });

  it.each([
    [199, [true, true]],
    [200, [true, false]],
  ])('waits for no ping where persistAfterMs is less than 200: %i', (persistAfterMs, pinged) => {
    const { write } = nearConnection(0, persistAfterMs);
    expect([write(), write()]).toEqual(pinged);
  });

  it('has one late ping to come, however many messages wait for it', () => {
    const { context, write } = nearConnection();
    const add = jest.spyOn(context.latePings, 'add');
    for (let n = 0; n < 5; n += 1) write();
    expect(add).toHaveBeenCalledTimes(1);
  });

  it('is pinged for sixteen messages at the latest', () => {
    const { write } = nearConnection();
    write();
    for (let n = 1; n < 16; n += 1) expect(write()).toBe(false);
    expect(write()).toBe(true);
  });

  it('is pinged before it is closed', () => {
    const { connection, write, hasPing, writes } = nearConnection();
    write();
    write();
    connection.close(1001, '');
    expect([writes(), hasPing()]).toEqual([3, true]);
  });

  it('counts as far away when its last pong took more than half of persistAfterMs, and is pinged with every message', () => {
    const { write } = nearConnection(126);
    expect([write(), write(), write()]).toEqual([true, true, true]);
  });

  it('counts as far away while a pong takes that long', () => {
    const { clock, write } = nearConnection();
    expect([write(), write()]).toEqual([true, false]);
    clock.advance(126);
    expect([write(), write()]).toEqual([true, true]);
  });
});
