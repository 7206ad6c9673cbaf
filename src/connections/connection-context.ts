import type { ChatOptions } from '../options/chat.options.js';
import type { Welcome } from '../protocol/frames.js';
import { Counter } from './counter.js';
import { EndOfTurn } from './end-of-turn.js';
import { LatePings } from './late-pings.js';

/** The options that a connection needs: the clock, the limits of its buffer, and what its welcome says. */
export type ConnectionOptions = Pick<
  ChatOptions,
  | 'clock'
  | 'slowBufferBytes'
  | 'maxBufferedBytes'
  | 'ackWindow'
  | 'maxContentBytes'
  | 'maxMetaBytes'
  | 'heartbeatMs'
  | 'persistAfterMs'
  | 'framesPerSecond'
  | 'frameBurst'
  | 'broadcastsPerSecond'
  | 'signalsPerSecond'
  | 'record'
>;

/** What all connections share: the options, the end of a turn, and the counters over all of them. */
export class ConnectionContext {
  readonly turns = new EndOfTurn();
  /** How many connections the server has closed, by close code. */
  readonly closedByCode = new Counter<number>();
  /** Broadcasts that were not written to a slow consumer. */
  broadcastsSkipped = 0;

  readonly latePings: LatePings;
  /** What every welcome says. */
  readonly limits: Omit<Welcome, 'user' | 'connectionId' | 'pending' | 'serverTime'>;

  constructor(readonly options: ConnectionOptions) {
    this.latePings = new LatePings(options.clock);
    const { ackWindow, maxContentBytes, maxMetaBytes, heartbeatMs, record } = options;
    const { framesPerSecond, frameBurst, broadcastsPerSecond, signalsPerSecond } = options;
    const sizes = { ackWindow, maxContentBytes, maxMetaBytes, heartbeatMs };
    const rates = { framesPerSecond, frameBurst, broadcastsPerSecond, signalsPerSecond };
    this.limits = { ...sizes, ...rates, recordMs: record && record.keepMs };
  }
}
