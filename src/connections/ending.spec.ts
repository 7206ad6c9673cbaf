import { WebSocket } from 'ws';
import { connectionThatBuffers } from '../../test/support/buffering-connection.js';
import { ManualClock } from '../../test/support/manual-clock.js';
import { Broadcast } from './broadcast.js';
import { CONFIRM_MS } from './ending.js';

/** Length of what a ping carries, at the end of its frame. */
const NONCE_BYTES = 16;
const WITHIN_MS = 3_000;

function open(protocol: 'json' | 'text') {
  const clock = new ManualClock();
  const sides = connectionThatBuffers(protocol, { clock });
  const { connection, stream } = sides;
  let seq = 0;
  const write = () => {
    connection.onMessage({ id: 'm', from: 'alice', to: 'bob', content: 'x', sentAt: 0 }, (seq += 1), false, false);
    connection.endTurn();
  };
  const written = () => stream.write.mock.calls.map(([frames]) => frames);
  return { ...sides, clock, write, written };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Tells whether a promise was resolved. */
async function isOver(promise: Promise<void>): Promise<boolean> {
  let over = false;
  void promise.then(() => (over = true));
  await turn();
  return over;
}

describe('a connection that is about to be closed', () => {
  it('waits for nothing when its peer has confirmed all', async () => {
    const { connection, clock, write } = open('json');
    expect(await isOver(connection.finish(WITHIN_MS))).toBe(true);
    const other = open('json').connection;
    write();
    connection.ending.handleConfirmed(1);
    expect(await isOver(connection.finish(WITHIN_MS))).toBe(true);
    expect(await isOver(other.finish(WITHIN_MS))).toBe(true);
    expect(clock.pendingAlarms).toBe(0);
  });

  it('gets replies, and neither messages, broadcasts, signals nor news', () => {
    const { connection, write, written } = open('json');
    write();
    void connection.finish(WITHIN_MS);
    write();
    expect(connection.onBroadcast(new Broadcast('b', 'alice', 'x', 0))).toBe(false);
    connection.writeNews({ endings: [] });
    expect(connection.writeSignal({ from: 'alice', to: 'bob', type: 'typing', data: null } as never)).toBe(false);
    connection.writeReceipt({ id: 'm1', status: 'stored', sentAt: 0 });
    connection.endTurn();
    expect(written().map(String)).toHaveLength(2);
    expect(written()[1]!.toString()).toContain('receipts');
  });

  it('waits for the last message, and no longer', async () => {
    const { connection, clock, write } = open('json');
    write();
    write();
    const finished = connection.finish(WITHIN_MS);
    connection.ending.handleConfirmed(1);
    expect(await isOver(finished)).toBe(false);
    connection.ending.handleConfirmed(2);
    expect(await isOver(finished)).toBe(true);
    expect(clock.pendingAlarms).toBe(0);
  });

  it('waits for nobody longer than told, nor for one that has gone or closes', async () => {
    const late = open('json');
    late.write();
    const finished = late.connection.finish(WITHIN_MS);
    late.clock.advance(WITHIN_MS - 1);
    expect(await isOver(finished)).toBe(false);
    late.clock.advance(1);
    expect(await isOver(finished)).toBe(true);

    const gone = open('json');
    gone.write();
    const waits = gone.connection.finish(WITHIN_MS);
    gone.connection.ending.handleGone();
    expect(await isOver(waits)).toBe(true);
    expect(gone.clock.pendingAlarms).toBe(0);

    const closing = open('json');
    closing.write();
    closing.socket.readyState = WebSocket.CLOSING;
    expect(await isOver(closing.connection.finish(WITHIN_MS))).toBe(true);
  });

  it('is asked about messages whose ping was put off', async () => {
    const { connection, clock, write, written } = open('text');
    write();
    clock.advance(1);
    connection.handlePong(written()[0]!.subarray(-NONCE_BYTES));
    connection.ending.handleConfirmed(1);
    write(); // Less than 40 ms after the last ping, by a peer that is near.
    expect(written()).toHaveLength(2);
    const finished = connection.finish(WITHIN_MS);
    connection.endTurn();
    expect(written()).toHaveLength(3);
    expect(connection.handlePong(written()[2]!.subarray(-NONCE_BYTES))).toBe(2);
    connection.ending.handleConfirmed(2);
    expect(await isOver(finished)).toBe(true);
  });
});

describe('a connection that is dismissed', () => {
  it('is revoked at once when its peer has confirmed all', () => {
    const { connection, socket } = open('json');
    connection.dismiss(4401, 'expired');
    expect(socket.close).toHaveBeenCalledWith(4401, 'expired');
  });

  it('is revoked when the peer has confirmed what it got, and is not read otherwise from the beginning', async () => {
    const { connection, socket, closedByCode, write } = open('json');
    write();
    connection.dismiss(4401, 'expired');
    connection.dismiss(4403, 'too late');
    expect([connection.isOpen, connection.isRevoked, connection.ending.mayConfirm]).toEqual([false, true, true]);
    expect(socket.close).not.toHaveBeenCalled();
    connection.ending.handleConfirmed(1);
    await turn();
    expect(socket.close.mock.calls).toEqual([[4401, 'expired']]);
    expect(connection.ending.mayConfirm).toBe(false);
    expect(closedByCode).toEqual([4401]);
  });

  it('is revoked after a second otherwise', async () => {
    const { connection, socket, clock, write } = open('json');
    write();
    connection.dismiss(4401, 'expired');
    clock.advance(CONFIRM_MS - 1);
    await turn();
    expect(socket.close).not.toHaveBeenCalled();
    clock.advance(1);
    await turn();
    expect(socket.close).toHaveBeenCalledWith(4401, 'expired');
  });

  it('is closed at once for a fault', () => {
    const { connection, socket, write } = open('json');
    write();
    connection.dismiss(4403, 'by an administrator');
    connection.revoke(4429, 'too many frames');
    expect(socket.close).toHaveBeenCalledWith(4429, 'too many frames');
  });
});
