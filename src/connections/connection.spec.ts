import { jest } from '@jest/globals';
import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import { resolveChatOptions } from '../options/chat.options.js';
import type { ServerCodec } from '../protocol/frames.js';
import { Connection } from './connection.js';
import { textFrame } from './outbox.js';

const KIB = 1024;

/** A connection of which a test says how much waits to leave. */
function connectionThatBuffers() {
  const socket = {
    readyState: WebSocket.OPEN as number,
    bufferedAmount: 0,
    pause: jest.fn(),
    resume: jest.fn(),
    terminate: jest.fn(),
    close: jest.fn(() => void (socket.readyState = WebSocket.CLOSING)),
  };
  const stream = Object.assign(new EventEmitter(), { write: jest.fn(), end: jest.fn(), resume: jest.fn() });
  const keeper = {
    now: () => 0,
    after: () => () => undefined,
    atEndOfTurn: jest.fn(),
    onRefused: jest.fn(),
    onClosed: jest.fn(),
    onBroadcastSkipped: jest.fn(),
    broadcastFrame: () => textFrame('a frame'),
  };
  const codec = { protocol: 'json', welcome: () => null, caughtUp: () => 'a frame' } as unknown as ServerCodec;
  const connection = new Connection(
    socket as unknown as WebSocket,
    stream as unknown as Duplex,
    codec,
    keeper,
    { user: 'bob', remoteAddress: '' },
    resolveChatOptions(),
  );
  connection.onOpened(0);
  jest.clearAllMocks();
  /** A turn in which something is written, and after which so much waits. */
  const turn = (kib: number) => {
    connection.onCaughtUp(0);
    socket.bufferedAmount = kib * KIB;
    connection.endTurn();
  };
  return { connection, socket, keeper, turn, drain: () => stream.emit('drain') };
}

describe('what waits to leave to a connection', () => {
  it('is no matter up to 256 KiB; beyond, the peer is not listened to and gets no broadcasts until all has left', () => {
    const { connection, socket, keeper, turn, drain } = connectionThatBuffers();
    turn(256);
    expect(connection.isChoked).toBe(false);
    turn(257);
    expect(connection.isChoked).toBe(true);
    expect(socket.pause).toHaveBeenCalledTimes(1);
    const broadcast = { id: 'm', from: 'alice', content: 'x', sentAt: 0 };
    expect(connection.onBroadcast(broadcast)).toBe(false);
    expect(keeper.onBroadcastSkipped).toHaveBeenCalledTimes(1);
    socket.bufferedAmount = 0;
    drain();
    expect(connection.isChoked).toBe(false);
    expect(socket.resume).toHaveBeenCalledTimes(1);
    expect(connection.onBroadcast(broadcast)).toBe(true);
  });

  it('closes it with 1013 when it is over 1 MiB and the peer did not read before either', () => {
    const { connection, socket, keeper, turn } = connectionThatBuffers();
    turn(300);
    turn(1_024);
    expect(socket.close).not.toHaveBeenCalled();
    turn(1_025);
    expect(socket.close).toHaveBeenCalledWith(1013, expect.stringContaining('read'));
    expect(keeper.onClosed.mock.calls).toEqual([[1013]]);
    expect(connection.isRevoked).toBe(true);
  });

  it('is no reason to close it when one turn brought it all, however much', () => {
    const { connection, socket, turn, drain } = connectionThatBuffers();
    turn(17_000);
    expect(connection.isChoked).toBe(true);
    turn(17_100);
    turn(16_000);
    expect(socket.close).not.toHaveBeenCalled();
    socket.bufferedAmount = 0;
    drain();
    turn(17_000);
    expect(socket.close).not.toHaveBeenCalled();
    turn(17_257);
    expect(socket.close).toHaveBeenCalledTimes(1);
  });
});

describe('the end of a connection', () => {
  it('is counted once, under the code that came first', () => {
    const { connection, keeper } = connectionThatBuffers();
    connection.close(4409, 'replaced');
    connection.close(1001, 'going away');
    connection.onBadFrame(1002);
    expect(keeper.onClosed.mock.calls).toEqual([[4409]]);
  });
});
