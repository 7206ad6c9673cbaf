import type { Logger } from '@nestjs/common';
import type { Clock } from './clock.js';

/** Least time between two lines of one kind, in milliseconds. */
const ONCE_IN_MS = 60_000;
/** How many kinds are told apart. All further ones count as one kind. */
const MAX_KINDS = 100;
const OTHERS = 'others';

/**
 * Logs what strangers can cause, at most one line of each kind per minute. So nobody can fill the log, and the operator
 * still learns of it. The next line of a kind says how many were left out.
 */
export class RareLog {
  private readonly kinds = new Map<string, { loggedAt: number; leftOut: number }>();

  constructor(
    private readonly logger: Logger,
    private readonly clock: Clock,
  ) {}

  warn(kind: string, message: string, stack?: string): void {
    this.write('warn', kind, message, stack);
  }

  error(kind: string, message: string, stack?: string): void {
    this.write('error', kind, message, stack);
  }

  private write(level: 'warn' | 'error', kind: string, message: string, stack: string | undefined): void {
    const known = this.kinds.has(kind) || this.kinds.size < MAX_KINDS ? kind : OTHERS;
    const last = this.kinds.get(known);
    const now = this.clock.now();
    if (last && now >= last.loggedAt && now - last.loggedAt < ONCE_IN_MS) return void (last.leftOut += 1);
    this.kinds.set(known, { loggedAt: now, leftOut: 0 });
    const more = last?.leftOut ? ` (and ${last.leftOut} more since the last such line)` : '';
    this.logger[level](`${message}${more}${stack ? `\n${stack}` : ''}`);
  }
}
