import type { ClientEvents, PendingMessage, ReceivedMessage, ReceiptEvent, StateChange } from './api.js';
import type { RecordNews } from './record/record-news.js';

/** How often a tab asks the one that leads whether it is there. */
const ASK_EVERY_MS = 4_000;
/** A tab that leads and leaves so many questions without an answer is replaced: 12 to 16 s after it began to hang. */
const MAX_UNANSWERED = 3;
/** A tab that did nothing for so long, in milliseconds, may have hung: another one may lead, and hand the messages itself. */
export const STALE_MS = 5_000;
/** Of the channel. A tab ignores what it does not know, as another tab may run another version of this library. */
const VERSION = 1;

/** What is known of the connection, for the tabs that do not have it. */
export interface Shared {
  /** Another one after each change of the tab that leads. */
  readonly leader: string;
  /** Whether it knows the record. A tab that does takes over from one that does not, as only it can ask for both. */
  readonly records: boolean;
  readonly state: StateChange;
  readonly user: string | null;
  readonly clockAheadMs: number;
  readonly maxContentBytes: number | null;
}

/** The events that the tab that leads tells the others. */
export type EventOfAll = 'signal' | 'caughtUp';

/** What tabs tell each other. */
export type News =
  /** Is the tab that leads there? */
  | { readonly type: 'ask' }
  | { readonly type: 'shared'; readonly shared: Shared }
  /** Goes online or offline. */
  | { readonly type: 'connect' | 'disconnect' | 'look' | 'cleared' | 'left' }
  /** A message was put into the store. */
  | { readonly type: 'kept'; readonly message: PendingMessage }
  /** The tab that leads has to send a message that is not in the store. */
  | { readonly type: 'pass'; readonly message: PendingMessage }
  | { readonly type: 'cancel'; readonly id: string }
  | { readonly type: 'receipt'; readonly receipt: ReceiptEvent }
  /** The tab that leads has to send a signal. */
  | { readonly type: 'signal'; readonly to: string; readonly kind: string; readonly data: unknown }
  /** Of `holdfast-client/record`. */
  | { readonly type: 'record'; readonly news: RecordNews }
  /** The tab that leads hands this. The others show it. */
  | { readonly type: 'message'; readonly message: ReceivedMessage }
  | { readonly type: 'event'; readonly event: EventOfAll; readonly data: ClientEvents[EventOfAll] };

export interface TabsOwner {
  /** This tab has the connection from now on. */
  lead(): void;
  /** Another tab has it. */
  follow(): void;
  heard(news: News): void;
}

/** Whether tabs can share a connection here. */
export function canShare(): boolean {
  return typeof BroadcastChannel === 'function' && typeof globalThis.navigator?.locks?.request === 'function';
}

/**
 * Decides which tab leads: the one that holds a Web Lock. When it closes or crashes, the browser hands the lock to the
 * next one. When it hangs, another one takes the lock away. What tabs have to tell each other goes over a
 * BroadcastChannel. No call waits for the lock.
 *
 * The tab that leads answers questions instead of showing signs of life by itself, because the timers of hidden tabs
 * run once a minute, and what comes over a channel is handled at once.
 */
export class Tabs {
  #channel: BroadcastChannel | null = null;
  #isLeader = false;
  /** Gives the lock back, or the wish for it. */
  #giveUp: (() => void) | null = null;
  #asking: ReturnType<typeof setInterval> | undefined;
  /** Questions since the last answer. They are counted, as a time would pass while this tab itself hangs or sleeps. */
  #unanswered = 0;
  #aliveAt = 0;

  constructor(
    private readonly name: string,
    private readonly owner: TabsOwner,
  ) {}

  get isLeader(): boolean {
    return this.#isLeader;
  }

  /**
   * When this tab was known to be awake, by `performance.now()`: what lies behind by more than a few seconds may have hung
   * meanwhile, and another tab may lead.
   */
  get aliveAt(): number {
    return this.#aliveAt;
  }

  start(): void {
    if (this.#channel) return;
    this.#channel = new BroadcastChannel(this.name);
    this.#channel.onmessage = ({ data }) => this.#heard(data as News & { version?: unknown });
    this.#request(false);
    this.#aliveAt = performance.now();
    this.#asking = setInterval(() => void this.#ask(), ASK_EVERY_MS);
    this.tell({ type: 'ask' }); // The answer says how things stand.
  }

  /** Takes the lock away from the tab that leads. */
  takeOver(): void {
    this.#unanswered = 0;
    this.#giveUp?.();
    this.#request(true);
  }

  stop(): void {
    clearInterval(this.#asking);
    this.#giveUp?.();
    this.#giveUp = null;
    this.#isLeader = false;
    this.#channel?.close();
    this.#channel = null;
  }

  /** Tells the other tabs, also after `stop`: what was under way ends later. */
  tell(news: News): void {
    const channel = this.#channel ?? new BroadcastChannel(this.name);
    channel.postMessage({ ...news, version: VERSION });
    if (channel !== this.#channel) channel.close();
  }

  /** Whether this tab leads, also after it hung: the browser answers behind the news that the lock was taken away. */
  async isStillLeading(): Promise<boolean> {
    if (this.#channel) await navigator.locks.query(); // Without a channel it leads alone, or does not take part.
    return this.#isLeader;
  }

  #heard(news: News & { version?: unknown }): void {
    if (news.version !== VERSION) return;
    if (news.type === 'shared') this.#unanswered = 0;
    this.owner.heard(news);
  }

  async #ask(): Promise<void> {
    if (performance.now() - this.#aliveAt > STALE_MS) await this.isStillLeading();
    this.#aliveAt = performance.now();
    if (this.#isLeader || !this.#channel) return;
    if (this.#unanswered < MAX_UNANSWERED) {
      this.#unanswered += 1;
      return this.tell({ type: 'ask' });
    }
    this.takeOver();
  }

  #request(steal: boolean): void {
    const wish = new AbortController();
    let release: () => void = () => wish.abort();
    const giveUp = () => release();
    this.#giveUp = giveUp;
    const hold = () =>
      new Promise<void>((resolve) => {
        if (wish.signal.aborted) return resolve();
        release = resolve;
        this.#isLeader = true;
        this.owner.lead();
      });
    // A request that takes the lock away can't be aborted.
    const options = steal ? { steal } : { signal: wish.signal };
    navigator.locks.request(this.name, options, hold).catch(() => {
      if (this.#giveUp !== giveUp) return; // The wish was given up, or this tab has stopped meanwhile.
      if (this.#isLeader) this.#replaced();
      else this.#leadAlone();
    });
  }

  /** The lock was taken away. */
  #replaced(): void {
    this.#isLeader = false;
    this.owner.follow();
    this.#request(false);
    this.tell({ type: 'ask' }); // What the other tab has told may have come before the lock was gone.
  }

  /** The browser denies locks here, as it does in a frame without an origin. */
  #leadAlone(): void {
    this.stop();
    this.#isLeader = true;
    this.owner.lead();
  }
}
