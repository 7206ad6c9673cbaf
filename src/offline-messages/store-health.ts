import { Logger } from '@nestjs/common';

/** Whether the store works, as senders, readiness and the log see it. */
export class StoreHealth {
  private readonly logger = new Logger('OfflineMessages');
  /** False from the moment when senders are refused until the next commit succeeds. */
  isHealthy = true;
  /** How many commits, and tries to recover, have failed. */
  failures = 0;
  /** The last failure. */
  cause: unknown = undefined;

  /** A commit failed; it may be tried again before senders are refused. */
  countFailure(cause: unknown): void {
    this.failures += 1;
    this.cause = cause;
  }

  /** Senders are refused from now on. Only the first failure is logged. */
  markFailing(cause: unknown): void {
    if (this.isHealthy) this.logger.error(`The store fails: ${String(cause)}`);
    this.isHealthy = false;
    this.cause = cause;
  }

  markHealthy(): void {
    if (!this.isHealthy) this.logger.log('The store works again.');
    this.isHealthy = true;
  }

  /** The store is closed, and these could not be committed. */
  logLost(inserts: number, deletes: number): void {
    this.logger.error(
      `The store failed to the end: ${inserts} messages were in memory only and are lost, none with a receipt; ${deletes} that had left are still in the file and may come again.`,
    );
  }
}
