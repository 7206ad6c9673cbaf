import { WebSocket } from 'ws';
import { connectionThatBuffers } from '../../test/support/buffering-connection.js';
import { Broadcast } from './broadcast.js';
import { Hold } from './reading.js';

describe('what became of stored messages', () => {
  const ENDINGS = [{ id: 'm1', to: 'carol', end: 'delivered' }] as const;

  it('is written behind the receipts that the turn had before', () => {
    const { connection, stream } = connectionThatBuffers();
    connection.writeNews({ endings: ENDINGS });
    connection.writeReceipt({ id: 'm1', status: 'stored', sentAt: 0 });
    connection.writeNews({ endings: ENDINGS });
    connection.endTurn();
    const text = stream.write.mock.calls.map(([frames]) => frames.toString()).join('');
    expect(text.match(/receipts|1 endings/g)).toEqual(['1 endings', 'receipts', '1 endings']);
  });

  it('is not told to a peer that does not read, nor before the welcome', () => {
    const { connection, stream, turn, drain } = connectionThatBuffers();
    turn(257);
    stream.write.mockClear();
    connection.writeNews({ endings: ENDINGS });
    connection.endTurn();
    expect(stream.write).not.toHaveBeenCalled();
    drain();
    connection.reading.hold(Hold.OPENING);
    connection.writeNews({ endings: ENDINGS });
    connection.endTurn();
    expect(stream.write).not.toHaveBeenCalled();
    connection.reading.release(Hold.OPENING);
    connection.writeNews({ endings: ENDINGS });
    connection.endTurn();
    expect(stream.write).toHaveBeenCalledTimes(1);
  });
});

describe('the echo of what a user has sent from another connection', () => {
  const echo = { id: 'm1', from: 'alice', to: 'bob', content: 'x', sentAt: 0 };

  it('is not written behind so much that it would come late', () => {
    const { connection, socket, stream, drain } = connectionThatBuffers();
    socket.bufferedAmount = 256 * 1024 + 1;
    connection.writeNews({ echo });
    connection.writeNews({ mark: { user: 'bob', with: 'alice', read: 1 } });
    connection.endTurn();
    const text = stream.write.mock.calls.map(([frames]) => frames.toString()).join('');
    expect(text).not.toContain('echo');
    socket.bufferedAmount = 0;
    drain();
    connection.writeNews({ echo });
    connection.endTurn();
    expect(stream.write.mock.lastCall?.[0].toString()).toContain('echo');
  });
});

describe('what waits to leave to a connection', () => {
  it('is no matter up to 256 KiB; beyond, the peer is not listened to and gets no broadcasts until all has left', () => {
    const { connection, context, socket, turn, drain } = connectionThatBuffers();
    turn(256);
    expect(connection.isSlowConsumer).toBe(false);
    turn(257);
    expect(connection.isSlowConsumer).toBe(true);
    expect(socket.pause).toHaveBeenCalledTimes(1);
    const broadcast = new Broadcast('m', 'alice', 'x', 0);
    expect(connection.onBroadcast(broadcast)).toBe(false);
    expect(context.broadcastsSkipped).toBe(1);
    socket.bufferedAmount = 0;
    drain();
    expect(connection.isSlowConsumer).toBe(false);
    expect(socket.resume).toHaveBeenCalledTimes(1);
    expect(connection.onBroadcast(broadcast)).toBe(true);
    expect(context.broadcastsSkipped).toBe(1);
  });

  it('closes it with 1013 when it is over 1 MiB and the peer did not read before either', () => {
    const { connection, socket, closedByCode, turn } = connectionThatBuffers();
    turn(300);
    turn(1_024);
    expect(socket.close).not.toHaveBeenCalled();
    turn(1_025);
    expect(socket.close).toHaveBeenCalledWith(1013, expect.stringContaining('read'));
    expect(closedByCode).toEqual([1013]);
    expect(connection.isRevoked).toBe(true);
  });

  it('is no reason to close it when one turn brought it all, however much', () => {
    const { connection, socket, turn, drain } = connectionThatBuffers();
    turn(17_000);
    expect(connection.isSlowConsumer).toBe(true);
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
  type Step = 'close' | 'revoke' | 'hangUp' | 'abandon' | 'badFrame' | 'peerCloses';
  const steps: Record<Step, (sides: ReturnType<typeof connectionThatBuffers>, code: number) => void> = {
    close: ({ connection }, code) => connection.close(code, ''),
    revoke: ({ connection }, code) => connection.revoke(code, ''),
    hangUp: ({ connection }, code) => connection.hangUp(code, ''),
    abandon: ({ connection }, code) => connection.abandon(code, ''),
    badFrame: ({ connection, socket }, code) => {
      socket.readyState = WebSocket.CLOSING; // `ws` has closed it before it emits the error.
      connection.ending.handleBadFrame(code);
    },
    peerCloses: ({ socket }) => void (socket.readyState = WebSocket.CLOSING),
  };

  it.each<[first: Step, then: Step, state: string, counted: number[]]>([
    ['close', 'close', 'closing', [1]],
    ['close', 'badFrame', 'closing', [1]],
    ['close', 'abandon', 'closing', [1]],
    ['close', 'revoke', 'revoked', [1]],
    ['close', 'hangUp', 'revoked', [1]],
    ['revoke', 'close', 'revoked', [1]],
    ['revoke', 'revoke', 'revoked', [1]],
    ['revoke', 'badFrame', 'revoked', [1]],
    ['hangUp', 'close', 'revoked', [1]],
    ['hangUp', 'revoke', 'revoked', [1]],
    ['abandon', 'close', 'closing', [1]],
    ['badFrame', 'close', 'closing', [1]],
    ['badFrame', 'revoke', 'revoked', [1]],
    ['peerCloses', 'close', 'closing', []],
    ['peerCloses', 'revoke', 'revoked', []],
    ['peerCloses', 'hangUp', 'revoked', []],
  ])(
    '%s and then %s leaves it %s, and is counted once, under the code that came first',
    (first, then, state, counted) => {
      const sides = connectionThatBuffers();
      expect(sides.connection.isRevoked).toBe(false);
      steps[first](sides, 1);
      steps[then](sides, 2);
      expect(sides.connection.isRevoked).toBe(state === 'revoked');
      expect(sides.closedByCode).toEqual(counted);
      // Only a revoked connection is not read any more.
      expect(sides.stream.listenerCount('data')).toBe(state === 'revoked' ? 1 : 0);
    },
  );

  it('lets nothing follow the close frame, whichever side has sent one', () => {
    const { connection, socket, stream } = connectionThatBuffers();
    connection.onCaughtUp(0);
    socket.readyState = WebSocket.CLOSING;
    connection.endTurn();
    expect(stream.write).not.toHaveBeenCalled();
  });

  it('handles what was read before it hangs up, and nothing of that when it is revoked', () => {
    for (const [end, wasRevoked] of [
      ['hangUp', false],
      ['revoke', true],
    ] as const) {
      const { connection, socket } = connectionThatBuffers();
      const revokedAtClose: boolean[] = [];
      socket.close.mockImplementation(() => void revokedAtClose.push(connection.isRevoked));
      connection[end](1013, '');
      expect([end, revokedAtClose, connection.isRevoked]).toEqual([end, [wasRevoked], true]);
    }
  });
});
