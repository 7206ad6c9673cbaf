import { Logger } from '@nestjs/common';

type Listener<First, Second> = (first: First, second: Second) => void;

/**
 * One event of a room, with any number of listeners, in the order in which they came. A listener that throws is logged,
 * and the others still hear. Node's EventEmitter stops at the first that throws, and allocates a list of arguments for
 * each event: some of these are on the way of every message.
 */
export class Emitter<First, Second = void> {
  private listeners: readonly Listener<First, Second>[] = [];

  /** `event` names the event in the log, such as `connected`. */
  constructor(
    private readonly logger: Logger,
    private readonly event: string,
  ) {}

  /** Adds a listener; returns the function that removes it. What is added while an event is told hears the next one. */
  on(listener: Listener<First, Second>): () => void {
    const own: Listener<First, Second> = (first, second) => listener(first, second); // The same one may listen twice.
    this.listeners = [...this.listeners, own];
    return () => {
      this.listeners = this.listeners.filter((each) => each !== own);
    };
  }

  /** Tells all listeners before it returns. */
  emit(first: First, second: Second): void {
    for (const listener of this.listeners) {
      try {
        listener(first, second);
      } catch (error) {
        const stack = error instanceof Error ? error.stack : undefined;
        this.logger.error(`A listener of "${this.event}" threw: ${stack ?? String(error)}`);
      }
    }
  }
}
