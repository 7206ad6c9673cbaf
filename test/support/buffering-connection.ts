import { jest } from '@jest/globals';
import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import { ConnectionContext } from '../../src/connections/connection-context.js';
import { Connection } from '../../src/connections/connection.js';
import { resolveChatOptions, type ChatOptions } from '../../src/options/chat.options.js';
import type { ServerCodec } from '../../src/protocol/frames.js';
import type { Message } from '../../src/protocol/message.js';
import type { News } from '../../src/protocol/news.js';

const KIB = 1024;

/** A connection for which a test sets how much is buffered. */
export function connectionThatBuffers(protocol: ServerCodec['protocol'] = 'json', options: Partial<ChatOptions> = {}) {
  const socket = {
    readyState: WebSocket.OPEN as number,
    bufferedAmount: 0,
    pause: jest.fn(),
    resume: jest.fn(),
    terminate: jest.fn(),
    close: jest.fn(() => void (socket.readyState = WebSocket.CLOSING)),
  };
  const stream = Object.assign(new EventEmitter(), {
    write: jest.fn((_frames: Buffer) => true),
    end: jest.fn(),
    resume: jest.fn(),
  });
  const codec = {
    protocol,
    welcome: () => null,
    message: ({ content }: Message) => content,
    caughtUp: () => 'a frame',
    receipts: () => 'receipts',
    news: (news: News) => ('endings' in news ? `${news.endings.length} endings` : Object.keys(news).join()),
    broadcast: () => 'a broadcast',
  } as unknown as ServerCodec;
  const context = new ConnectionContext(resolveChatOptions(options));
  const closedByCode: number[] = [];
  context.closedByCode.add = (code) => void closedByCode.push(code);
  const connection = new Connection(
    socket as unknown as WebSocket,
    stream as unknown as Duplex,
    codec,
    { user: 'bob', remoteAddress: '' },
    context,
  );
  connection.onOpened(0);
  jest.clearAllMocks();
  /** Runs a turn in which something is written, and after which this much is buffered. */
  const turn = (kib: number) => {
    connection.onCaughtUp(0);
    socket.bufferedAmount = kib * KIB;
    connection.endTurn();
  };
  return { connection, context, socket, stream, closedByCode, turn, drain: () => stream.emit('drain') };
}
