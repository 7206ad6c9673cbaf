import { Logger } from '@nestjs/common';

/**
 * Whether the disk takes messages. It doesn't from a failed commit until a row went in again: a message's, or the
 * probe's when there is none to try it on, as nobody would learn otherwise that the disk works. A read, or a delete that
 * finds nothing, proves too little: both succeed on a full disk.
 */
export class StoreHealth {
  private readonly logger = new Logger('OfflineMessages');
  private good = true;
  private insertedAfterFailure = true;
  /** How often a commit or a probe failed. */
  failures = 0;

  constructor(private readonly probe: () => Promise<void>) {}

  get isGood(): boolean {
    return this.good;
  }

  /** Runs a commit; answers whether the disk took it. */
  async attempt(commit: () => Promise<void>): Promise<boolean> {
    try {
      await commit();
      return true;
    } catch (cause) {
      if (this.good) this.logger.error(`The store does not take messages: ${String(cause)}`);
      this.good = this.insertedAfterFailure = false;
      this.failures += 1;
      return false;
    }
  }

  onInserted(): void {
    this.insertedAfterFailure = true;
  }

  /** After commits that succeeded: answers whether the disk takes messages. */
  async prove(): Promise<boolean> {
    if (this.good) return true;
    if (!this.insertedAfterFailure && !(await this.attempt(this.probe))) return false;
    this.good = true;
    this.logger.log('The store takes messages again.');
    return true;
  }
}
