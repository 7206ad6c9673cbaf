import type { RecordedMessage } from 'holdfast-client/record';

/** Another device of a user of the crowd. */
export interface SecondDevice {
  readonly user: string;
  /** What it has of the record. */
  readonly items: readonly RecordedMessage[];
  /** A sentence for each thing that went wrong. */
  readonly faults: readonly string[];
  /** How often it had to begin anew, if it tells. */
  readonly restarts?: number;
  /** It is connected now and then. */
  turnOn(): void;
  /** Resolves when it is not connected any more. */
  turnOff(): Promise<void>;
  /** Resolves when it has all that was recorded, and is not connected any more. */
  catchUp(): Promise<void>;
  dispose(): Promise<void>;
}
