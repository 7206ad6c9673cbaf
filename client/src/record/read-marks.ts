import type { Threads } from './threads.js';

/** The server is told once of all that is read within this time. */
const TELL_WITHIN_MS = 300;

/** Tells the server how far its user has read. What it does not hear is told again when it has sent its list. */
export class ReadMarks {
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly threads: Threads,
    private readonly owner: {
      user(): string | null;
      /** Writes the mark; false when that is not possible now. */
      write(name: string, upTo: string): boolean;
      /** Whether it is worth trying again. */
      isOnline(): boolean;
    },
  ) {}

  read(name: string, upTo: string): void {
    this.threads.read(name, upTo, this.owner.user());
    this.threads.put({ ...this.threads.get(name), owesRead: true }, this.owner.user());
    this.#tellSoon();
  }

  tell(): void {
    this.close();
    for (const { with: name } of this.threads.list) {
      const thread = this.threads.get(name);
      if (!thread.owesRead || thread.read === null) continue;
      if (!this.owner.write(name, thread.read)) return this.owner.isOnline() ? this.#tellSoon() : undefined;
      this.threads.put({ ...thread, owesRead: false }, this.owner.user());
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #tellSoon(): void {
    this.#timer ??= setTimeout(() => this.tell(), TELL_WITHIN_MS);
  }
}
