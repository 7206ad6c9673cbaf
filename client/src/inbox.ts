import type { WireMessage } from '../../src/protocol/wire.js';
import type { ReceivedMessage } from './api.js';
import type { Emitter } from './emitter.js';
import { repeatMarker } from './repeats.js';
import { keyOf, type InboxMessage, type MessageKey, type Store } from './store.js';
import { STALE_MS } from './tabs.js';

const ACK_WITHIN_MS = 50;
/** With more than this to be handed, only what was handled is acknowledged, so that the server keeps the rest. */
const MAX_AHEAD = 1_000;
/** How often a handler may fail, and the first pause between, in milliseconds. Each pause is twice the last. */
const MAX_TRIES = 5;
const RETRY_MS = 100;
/** Of timers. */
const MAX_MS = 2 ** 31 - 1;
/** So long handlers may still take when another tab waits to hand messages, or the client is to be closed. */
const STOP_WITHIN_MS = 5_000;

/** What came, in its order: a message, or the end of what had waited. */
type Arrival = WireMessage | (() => void);

/** How the handlers of a message ended: `left` is for the tab or page that hands it again. */
type Outcome = 'done' | 'late' | 'left';

/** A step on the way to the handlers. */
interface Step {
  /** Null of a repeat, of which only the acknowledgement is due. A function is called when all before it is handed. */
  readonly message: ReceivedMessage | (() => void) | null;
  /** Null of a broadcast, and of what an earlier connection or page has received. */
  readonly seq: number | null;
  readonly connection: number;
}

export interface InboxOwner {
  acknowledge(seq: number): void;
  /** A message is handed to the handlers. */
  handing(message: ReceivedMessage): void;
  /** Whether this tab still hands messages. Asked after a pause that is long enough to have been replaced. */
  isStillLeading(): Promise<boolean>;
  /** When this tab was known to be awake, by `performance.now()`. */
  aliveAt(): number;
  /** Messages were put into the store when this tab handed none any more: the one that leads has not seen them. */
  left(): void;
}

/**
 * The way of a message to the handlers: it is put into the store, acknowledged, handed, and marked when all handlers
 * are done with it. One after the other, in order. What the store has and nobody was handed comes first at the next
 * start.
 *
 * A store that does not outlive the page is no reason to acknowledge: then that comes after the handlers.
 */
export class Inbox {
  #batch: Arrival[] = [];
  #receiving: Promise<void> | null = null;
  #queue: Step[] = [];
  #handing: Promise<void> | null = null;
  /** Ends the wait for the handlers under way. */
  #leave: () => void = () => undefined;
  #handled: MessageKey[] = [];
  /** What this tab hands, or has handed and not marked yet. */
  readonly #mine = new Set<MessageKey>();
  #marking: Promise<void> | null = null;
  readonly #markRepeat = repeatMarker();
  /** Counts connections: a `seq` belongs to one. */
  #connection = 0;
  #window = 1;
  #dueSeq = 0;
  #ackedSeq = 0;
  #ackTimer: ReturnType<typeof setTimeout> | undefined;
  #isRunning = false;
  #lastStepAt = 0;

  constructor(
    private readonly store: Store,
    private readonly emitter: Emitter,
    /** So long the handlers of a message may take, all tries together. Then the next one is handed. */
    private readonly handlerMs: number,
    private readonly owner: InboxOwner,
  ) {}

  /** It hands messages. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Begins to hand messages, with those that an earlier page or tab has left in the store. */
  async start(): Promise<void> {
    this.#isRunning = true;
    await this.readLeft();
  }

  /** Hands what is in the store and not handed by this tab. It may have been handed before. */
  async readLeft(): Promise<void> {
    const left = await this.store.inbox();
    if (!this.#isRunning) return;
    for (const message of left) {
      if (!this.#mine.has(keyOf(message))) this.#push({ ...message, redelivered: true }, null, 0);
    }
    this.#hand();
  }

  /**
   * Hands nothing more: another tab does, or the client is closed. Resolves when the handlers under way are done. They
   * have 5 s for that; a message that they do not finish then is handed again, by another tab or page.
   */
  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#leaveQueue();
    await this.#receiving;
    const timer = setTimeout(() => this.#leave(), STOP_WITHIN_MS);
    await this.#handing;
    clearTimeout(timer);
    await this.#marking;
    this.#mine.clear();
  }

  opened(ackWindow: number): void {
    this.#connection += 1;
    this.#window = ackWindow;
  }

  /** The connection is lost. What was not received yet comes again. */
  shut(): void {
    this.#connection += 1;
    this.#batch = [];
    this.#dueSeq = this.#ackedSeq = 0;
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
  }

  /** Takes a message, or a function that is called when all that came before it was handed. */
  arrived(arrival: Arrival): void {
    this.#batch.push(arrival);
    this.#receiving ??= this.#receive();
  }

  /** Hands nothing of what is in the store. */
  async forget(): Promise<void> {
    await this.store.handled((await this.store.inbox()).map(keyOf));
  }

  /** Another tab hands this, and all others show it. */
  shown(message: ReceivedMessage): void {
    this.emitter.emit('message', this.#markRepeat(message));
  }

  /** A handler was registered: messages may have waited for one. */
  handlerAdded(): void {
    this.#hand();
  }

  /** Acknowledges at once what may be. */
  acknowledge(): void {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    if (this.#dueSeq <= this.#ackedSeq) return;
    this.#ackedSeq = this.#dueSeq;
    this.owner.acknowledge(this.#ackedSeq);
  }

  /** What comes while the store is busy goes into its next transaction. */
  async #receive(): Promise<void> {
    await Promise.resolve();
    while (this.#batch.length > 0) {
      const batch = this.#batch.splice(0);
      const connection = this.#connection;
      const direct = batch.filter((arrival) => typeof arrival !== 'function').filter(({ seq }) => seq !== undefined);
      const received = direct.length > 0 ? await this.store.receive(direct.map(withoutSeq)) : [];
      const fresh = new Set(received.map(keyOf));
      if (!this.#isRunning) {
        if (fresh.size > 0) this.owner.left();
        break;
      }
      for (const arrival of batch) this.#take(arrival, fresh, connection);
      if (this.store.persistent && this.#queue.length <= MAX_AHEAD)
        this.#mayAcknowledge(direct.at(-1)?.seq, connection);
      this.#hand();
    }
    this.#receiving = null;
  }

  /** `fresh` has the keys that were never seen. A key is taken out of it: a repeat in one batch is not handed. */
  #take(arrival: Arrival, fresh: Set<MessageKey>, connection: number): void {
    if (typeof arrival === 'function') return this.#push(arrival, null, connection);
    const { seq = null } = arrival;
    const isNew = seq === null || fresh.delete(keyOf(arrival));
    this.#push(isNew ? { ...withoutSeq(arrival), redelivered: false } : null, seq, connection);
  }

  #push(message: Step['message'], seq: number | null, connection: number): void {
    if (message && typeof message !== 'function') this.#mine.add(keyOf(message));
    this.#queue.push({ message, seq, connection });
  }

  #mayAcknowledge(seq: number | null | undefined, connection: number): void {
    if (seq == null || connection !== this.#connection) return;
    this.#dueSeq = Math.max(this.#dueSeq, seq);
    if ((this.#dueSeq - this.#ackedSeq) * 2 >= this.#window) this.acknowledge();
    else this.#ackTimer ??= setTimeout(() => this.acknowledge(), ACK_WITHIN_MS);
  }

  /** What was received and not handed is in the store, for the tab that leads. */
  #leaveQueue(): void {
    if (this.#queue.length > 0) this.owner.left();
    this.#queue = [];
  }

  #hand(): void {
    this.#handing ??= this.#handAll();
  }

  async #handAll(): Promise<void> {
    await Promise.resolve(); // `#handing` is set.
    this.#lastStepAt = this.owner.aliveAt(); // A tab that hung may be waking with this message.
    // Without a handler messages wait: a page may register its own late.
    while (this.emitter.of('message').size > 0) {
      if (performance.now() - this.#lastStepAt > STALE_MS && !(await this.owner.isStillLeading())) this.#leaveQueue();
      this.#lastStepAt = performance.now();
      const step = this.#queue.shift();
      if (!step) break;
      if (typeof step.message === 'function') step.message();
      else if (step.message && (await this.#handOne(step.message)) === 'left') break;
      this.#mayAcknowledge(step.seq, step.connection);
    }
    this.#handing = null;
  }

  async #handOne(received: ReceivedMessage): Promise<Outcome> {
    const message = this.#markRepeat(received);
    this.owner.handing(message);
    let outcome: Outcome | null = null;
    const handlers = [...this.emitter.of('message')].map((handler) => () => this.emitter.call(handler, message));
    const isOver = () => outcome !== null;
    const all = Promise.all(handlers.map((handle) => this.#tried(handle, isOver)));
    outcome = await this.#inTime(all);
    if (outcome === 'left') return outcome;
    if (outcome === 'late') {
      this.emitter.fail(new Error(`a handler of "message" took more than ${this.handlerMs} ms`), 'handler');
    }
    this.#handled.push(keyOf(message));
    this.#marking ??= this.#mark();
    return outcome;
  }

  async #tried(handle: () => Promise<void>, isOver: () => boolean): Promise<void> {
    for (let tries = 1; !isOver(); tries += 1) {
      try {
        return await handle();
      } catch (error) {
        if (tries >= MAX_TRIES) return this.emitter.fail(error, 'handler');
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS * 2 ** (tries - 1)));
    }
  }

  /** A handler may never be done. It can't be ended, but it holds nobody up for longer than this. */
  async #inTime(handling: Promise<unknown>): Promise<Outcome> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const outcome = await new Promise<Outcome>((resolve) => {
      timer = setTimeout(resolve, Math.min(this.handlerMs, MAX_MS), 'late');
      this.#leave = () => resolve('left');
      void handling.then(() => resolve('done'));
    });
    clearTimeout(timer);
    return outcome;
  }

  async #mark(): Promise<void> {
    await Promise.resolve();
    while (this.#handled.length > 0) {
      const keys = this.#handled.splice(0);
      await this.store.handled(keys);
      for (const key of keys) this.#mine.delete(key);
    }
    this.#marking = null;
  }
}

function withoutSeq({ seq: _seq, ...message }: WireMessage): InboxMessage {
  return message;
}
