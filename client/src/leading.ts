import type { Inbox } from './inbox.js';
import type { Link } from './link.js';
import type { Outgoing } from './outgoing.js';
import { unheard } from './unheard.js';

/** What one tab does for all: it has the connection, and hands what comes. Starts and stops go one after the other. */
export class Leading {
  #isOn = false;
  /** Whether somebody wants to be online: `connect` was called, and `disconnect` was not. */
  #isWanted = false;
  #handover: Promise<void> = Promise.resolve();

  constructor(
    private readonly link: Link,
    private readonly inbox: Inbox,
    private readonly outgoing: Outgoing,
  ) {}

  get isOn(): boolean {
    return this.#isOn;
  }

  get isWanted(): boolean {
    return this.#isWanted;
  }

  /** `isFirst`: no tab led before. */
  begin(isFirst: boolean): void {
    this.#isOn = true;
    this.outgoing.lead(isFirst);
    this.inOrder(async () => {
      await this.outgoing.restore();
      if (this.#isOn) await this.inbox.start();
    });
    if (this.#isWanted) this.#connectIfWanted();
  }

  end(): void {
    if (!this.#isOn) return;
    this.inbox.acknowledge();
    this.#isOn = false;
    this.link.stop();
    this.inOrder(() => this.inbox.stop());
  }

  want(isWanted: boolean): void {
    this.#isWanted = isWanted;
    if (isWanted) return this.#connectIfWanted();
    if (!this.#isOn) return;
    this.inbox.acknowledge();
    this.link.stop();
  }

  /** Nothing has to be done for it: the connection is another tab's, or has ended. */
  note(isWanted: boolean): void {
    this.#isWanted = isWanted;
  }

  inOrder(work: () => Promise<void>): void {
    this.#handover = this.#handover.then(work);
  }

  /** Does something while nothing is handed. The promise is that of the work; nobody has to wait for it. */
  pause(work: () => Promise<void>): Promise<void> {
    this.inOrder(() => this.inbox.stop());
    const done = this.#handover.then(work);
    this.#handover = done.catch(() => undefined); // What comes after it goes on.
    this.inOrder(async () => {
      if (this.#isOn) await this.inbox.start();
    });
    return unheard(this.#handover.then(() => done));
  }

  /** Resolves when all is done that was begun. */
  async settled(): Promise<void> {
    await this.#handover;
  }

  /** What comes goes behind what an earlier page has left, so the inbox has to have read that. */
  #connectIfWanted(): void {
    this.inOrder(async () => {
      if (this.inbox.isRunning && this.#isOn && this.#isWanted) this.link.start();
    });
  }
}
