import type { ChatOptions } from '../options/chat.options.js';
import { Counter } from './counter.js';
import { EndOfTurn } from './end-of-turn.js';

/** The options of a connection: the clock, how much may wait to be sent to it, and what it is told when it opens. */
export type ConnectionOptions = Pick<
  ChatOptions,
  'clock' | 'slowBufferBytes' | 'maxBufferedBytes' | 'ackWindow' | 'maxContentBytes' | 'heartbeatMs'
>;

/** What all connections share: the options, the end of a turn, and the numbers that are counted over all of them. */
export class ConnectionContext {
  readonly turns = new EndOfTurn();
  /** How many connections the server has closed, by close code. */
  readonly closedByCode = new Counter<number>();
  /** Broadcasts that were not written to a slow consumer. */
  broadcastsSkipped = 0;

  constructor(readonly options: ConnectionOptions) {}
}
