import { Logger } from '@nestjs/common';

/** How the store is: what senders, readiness and the log are told of its failures. */
export class StoreHealth {
  private readonly logger = new Logger('OfflineMessages');
  /** False from a failure to the next message, or probe, that is committed. */
  isHealthy = true;
  /** How often a commit failed, with every try to recover that did. */
  failures = 0;
  /** Why the last commit failed. */
  cause: unknown = undefined;

  /** A commit failed; whether senders are told is not decided yet. */
  countFailure(cause: unknown): void {
    this.failures += 1;
    this.cause = cause;
  }

  /** Senders are told; the log hears of it once. */
  markFailing(cause: unknown): void {
    if (this.isHealthy) this.logger.error(`The store fails: ${String(cause)}`);
    this.isHealthy = false;
  }

  markHealthy(): void {
    if (!this.isHealthy) this.logger.log('The store works again.');
    this.isHealthy = true;
  }

  /** The store is closed, and these were left. */
  logLost(inserts: number, deletes: number): void {
    this.logger.error(
      `The store failed to the end: ${inserts} messages were in memory only and are lost, none with a receipt; ${deletes} that had left are still in the file and may come again.`,
    );
  }
}
