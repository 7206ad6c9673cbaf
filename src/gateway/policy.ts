import { Logger } from '@nestjs/common';
import type { Connection } from '../connections/connection.js';
import type { ConnectionInfo } from '../connections/connection-info.js';
import { within, type Clock } from '../options/clock.js';
import { ChatError } from '../protocol/chat-error.js';
import type { Command } from '../protocol/frames.js';

/** What a policy decides about: a direct message, or a broadcast. */
export type SendCommand = Exclude<Command, { readonly type: 'ack' }>;

/**
 * Says whether a connection may send this. False, and whatever it throws, is answered with NOT_ALLOWED; so is no answer
 * within 10 s. While it makes up its mind this connection waits, and its frames keep their order.
 */
export type Authorize = (command: SendCommand, connection: ConnectionInfo) => boolean | Promise<boolean>;

/** The token of the application's policy; null when it has none. */
export const AUTHORIZE = Symbol.for('holdfast:authorize');

/** How long a policy may take, in milliseconds; meanwhile nothing is read from its connection. */
const DECIDE_WITHIN_MS = 10_000;

/** Asks the application's policy, about one command of a connection after the other. */
export class Policy {
  private readonly logger = new Logger('Policy');
  /** Commands that came in one read with the one that is being decided. */
  private readonly waiting = new Map<Connection, SendCommand[]>();

  constructor(
    private readonly authorize: Authorize,
    private readonly clock: Clock,
  ) {}

  /** Calls `onAllowed` or `onRefused` once, now or later; those of one connection in the order in which they were asked. */
  ask(
    connection: Connection,
    command: SendCommand,
    onAllowed: (command: SendCommand) => void,
    onRefused: (error: ChatError) => void,
  ): void {
    const waiting = this.waiting.get(connection);
    if (waiting) return void waiting.push(command);
    const verdict = this.verdictOf(command, connection);
    if (verdict === true) return onAllowed(command);
    if (verdict === false) return onRefused(notAllowed(command));
    connection.pause();
    this.waiting.set(connection, []);
    void this.settle(verdict).then((allowed) => {
      if (allowed) onAllowed(command);
      else onRefused(notAllowed(command));
      const rest = this.waiting.get(connection)!;
      this.waiting.delete(connection);
      for (const next of rest) this.ask(connection, next, onAllowed, onRefused);
      connection.resume();
    });
  }

  private verdictOf(command: SendCommand, connection: Connection): boolean | Promise<boolean> {
    try {
      return this.authorize(command, connection);
    } catch (error) {
      return this.failed(error);
    }
  }

  private settle(verdict: Promise<boolean>): Promise<boolean> {
    const late = () => new Error(`no answer within ${DECIDE_WITHIN_MS} ms`);
    return within(this.clock, DECIDE_WITHIN_MS, verdict, late).then(
      (allowed) => allowed === true,
      (error: unknown) => this.failed(error),
    );
  }

  private failed(error: unknown): false {
    this.logger.error(`authorize failed: ${String(error)}`);
    return false;
  }
}

function notAllowed({ id }: SendCommand): ChatError {
  return new ChatError('NOT_ALLOWED', 'the application does not allow it; do not send it again', { id });
}
