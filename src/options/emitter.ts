import { Logger } from '@nestjs/common';

type Listener<First, Second> = (first: First, second: Second) => void;

/**
 * One event of a room, with any number of listeners, which are called in the order in which they were added. If a
 * listener throws, that is logged, and the others are still called. Node's EventEmitter stops at the first that throws,
 * and allocates a list of arguments for each event; some of these events are on the way of every message.
 */
export class Emitter<First, Second = void> {
  private listeners: readonly Listener<First, Second>[] = [];

  /** `event` names the event in the log, such as `connected`. */
  constructor(
    private readonly logger: Logger,
    private readonly event: string,
  ) {}

  /**
   * Adds a listener; returns a function that removes it. A listener that is added while an event is emitted gets the
   * next one.
   */
  on(listener: Listener<First, Second>): () => void {
    // The same function may listen twice.
    const own: Listener<First, Second> = (first, second) => listener(first, second);
    this.listeners = [...this.listeners, own];
    return () => {
      this.listeners = this.listeners.filter((each) => each !== own);
    };
  }

  /** Calls all listeners before it returns. */
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
