import type { FrameOf, ServerEvents, WireWelcome } from '../../src/protocol/wire.js';
import {
  RefusedError,
  type ClientEvents,
  type ClientOptions,
  type HoldfastClient,
  type PendingMessage,
  type SentMessage,
  type StateChange,
} from './api.js';
import { Emitter } from './emitter.js';
import { Inbox } from './inbox.js';
import { Link } from './link.js';
import { newId } from './new-id.js';
import { chooseStore } from './choose-store.js';
import { Outgoing } from './outgoing.js';
import { watchPage } from './page.js';
import { ResilientStore } from './resilient-store.js';
import { keyOf } from './store.js';
import { canShare, Tabs, type News, type Shared } from './tabs.js';

const CLOSED = 'the client was closed';
const CLEARED = 'the client was cleared';
const IDLE: StateChange = { state: 'idle', why: '', code: null, retryAt: null };

/** Makes a client. Nothing happens before `connect` or `send`, so it may be made on a server that renders pages. */
export function createClient(options: ClientOptions): HoldfastClient {
  return new Client(options);
}

/**
 * One user's client. Each tab has one. Without other tabs it leads: it has the connection, writes the outbox and hands
 * what comes. Where tabs share a connection, one of them leads, and the others put what they send into the same store
 * and hear from it what happens.
 *
 * What has no receipt is in the store and, in every tab, in its outbox. So another tab can take over at any moment.
 */
class Client implements HoldfastClient {
  readonly #emitter = new Emitter();
  readonly #store: ResilientStore;
  readonly #outgoing: Outgoing;
  readonly #inbox: Inbox;
  readonly #link: Link;
  /** Null when this tab is on its own. */
  readonly #tabs: Tabs | null;
  #shared: Shared = {
    leader: '',
    state: IDLE,
    user: null,
    clockAheadMs: 0,
    maxContentBytes: null,
  };
  /** The one before the tab that leads. */
  #formerLeader = '';
  #life: 'new' | 'running' | 'suspended' | 'closed' = 'new';
  #isLeading = false;
  /** Whether somebody wants to be online: `connect` was called, and `disconnect` was not. */
  #isWanted = false;
  /** Starts and stops, one after the other. */
  #handover: Promise<void> = Promise.resolve();
  #unwatch: () => void = () => undefined;

  constructor(options: ClientOptions) {
    const { reconnect, outbox, heartbeatMs = 25_000, user = null } = options;
    this.#shared = { ...this.#shared, user };
    const { store, name } = chooseStore(options);
    this.#store = new ResilientStore(store, (error) => this.#emitter.fail(error, 'store'));
    const limits = { maxMessages: 1_000, maxBytes: 8 << 20, maxAgeMs: 7 * 86_400_000, ...outbox };
    this.#outgoing = new Outgoing(this.#store, this.#emitter, limits, {
      write: (frame) => this.#link.send(frame),
      tell: (news) => this.#tabs?.tell(news),
      isLeading: () => this.#isLeading,
    });
    this.#inbox = new Inbox(this.#store, this.#emitter, {
      acknowledge: (seq) => this.#link.send({ event: 'ack', data: { seq } }),
      handing: (message) => this.#tabs?.tell({ type: 'message', message }),
      isStillLeading: async () => this.#tabs?.isStillLeading() ?? true,
      aliveAt: () => this.#tabs?.aliveAt ?? performance.now(),
      left: () => this.#tabs?.tell({ type: 'left' }),
    });
    const linkOptions = { ...options, heartbeatMs, minDelayMs: 500, maxDelayMs: 30_000, ...reconnect };
    this.#link = new Link(linkOptions, {
      stateChanged: (state) => {
        if (state.state === 'stopped') this.#isWanted = false;
        this.#share({ state });
      },
      opened: (welcome) => this.#opened(welcome),
      shut: () => {
        this.#outgoing.outbox.shut();
        this.#inbox.shut();
      },
      frame: (frame) => this.#handle(frame),
      tooBig: () => this.#outgoing.outbox.giveUpBiggest(),
      connectFailed: (error) => this.#emitter.fail(error, 'connect'),
      frameFailed: (error) => this.#emitter.fail(error, 'frame'),
      wire: (direction, text) => this.#emitter.emit('frame', { direction, text }),
    });
    const isShared = options.tabs !== 'separate' && name !== null && canShare();
    this.#tabs = isShared
      ? new Tabs(name, { lead: () => this.#lead(), follow: () => this.#follow(), heard: (news) => this.#heard(news) })
      : null;
  }

  get user(): string | null {
    return this.#shared.user;
  }

  get state(): StateChange {
    return this.#shared.state;
  }

  get pending(): readonly PendingMessage[] {
    return this.#outgoing.outbox.pending;
  }

  get now(): number {
    return Date.now() + this.#shared.clockAheadMs;
  }

  get maxContentBytes(): number | null {
    return this.#shared.maxContentBytes;
  }

  on<E extends keyof ClientEvents>(event: E, handler: (data: ClientEvents[E]) => unknown): () => void {
    const undo = this.#emitter.on(event, handler);
    if (event === 'message') this.#inbox.handlerAdded();
    return undo;
  }

  send(to: string, content: string, id = newId()): SentMessage {
    return this.#send(id, to, content);
  }

  broadcast(content: string, id = newId()): SentMessage {
    return this.#send(id, null, content);
  }

  cancel(id: string): void {
    this.#outgoing.cancel(id);
  }

  connect(): void {
    this.#run();
    this.#want('connect');
  }

  disconnect(): void {
    this.#want('disconnect');
  }

  async clear(): Promise<void> {
    this.disconnect();
    this.#outgoing.outbox.clear(CLEARED);
    this.#tabs?.tell({ type: 'cleared' });
    this.#inOrder(() => this.#inbox.stop());
    this.#inOrder(() => this.#untilOffline()); // Until then another tab may receive.
    this.#inOrder(() => this.#store.clear());
    this.#inOrder(async () => {
      if (this.#isLeading) await this.#inbox.start();
    });
    await this.#handover;
  }

  async close(): Promise<void> {
    if (this.#life === 'closed') return;
    this.#life = 'closed';
    this.#unwatch();
    this.#inbox.acknowledge();
    this.#follow();
    await this.#handover; // Another tab takes over when all is written.
    this.#tabs?.stop();
    await this.#store.close();
    this.#outgoing.close();
    this.#share({ state: IDLE });
  }

  #send(id: string, to: string | null, content: string): SentMessage {
    if (this.#life === 'closed') {
      return this.#outgoing.refused({ id, to, content, at: Date.now() }, new RefusedError('CLOSED', CLOSED));
    }
    this.#run();
    return this.#outgoing.send(id, to, content);
  }

  /** Begins to take part: reads what an earlier page has left, and leads, or asks who does. */
  #run(): void {
    if (this.#life !== 'new') return;
    this.#life = 'running';
    this.#unwatch = watchPage({
      look: () => (this.#isLeading ? this.#link.look() : this.#tabs?.tell({ type: 'look' })),
      offline: () => this.#link.doubt(),
      suspend: () => this.#suspend(),
      resume: () => this.#resume(),
    });
    this.#begin();
  }

  #begin(): void {
    if (!this.#tabs) return this.#lead();
    this.#tabs.start();
    this.#inOrder(() => this.#outgoing.restore()); // Also a tab that only follows shows what waits.
  }

  /** The page goes, or is frozen where a later "back" finds it. Another tab takes over. */
  #suspend(): void {
    if (this.#life !== 'running') return;
    this.#life = 'suspended';
    this.#inbox.acknowledge();
    this.#follow();
    this.#tabs?.stop();
  }

  #resume(): void {
    if (this.#life !== 'suspended') return;
    this.#life = 'running';
    this.#begin();
    this.#inOrder(() => this.#outgoing.resume());
  }

  #lead(): void {
    this.#isLeading = true;
    this.#outgoing.lead(this.#shared.leader === '');
    // The connection of the tab that led before has ended with it.
    this.#share({ leader: newId(), state: this.#isWanted ? { ...IDLE, state: 'connecting' } : this.state });
    this.#inOrder(async () => {
      await this.#outgoing.restore();
      if (this.#isLeading) await this.#inbox.start();
    });
    if (this.#isWanted) this.#connectIfWanted();
  }

  #follow(): void {
    if (!this.#isLeading) return;
    this.#isLeading = false;
    this.#link.stop();
    this.#inOrder(() => this.#inbox.stop());
  }

  #want(type: 'connect' | 'disconnect'): void {
    if (this.#life === 'closed') return;
    this.#setWanted(type === 'connect');
    this.#tabs?.tell({ type });
  }

  #setWanted(isWanted: boolean): void {
    this.#isWanted = isWanted;
    if (isWanted) return this.#connectIfWanted();
    if (!this.#isLeading) return;
    this.#inbox.acknowledge();
    this.#link.stop();
  }

  /** What comes goes behind what an earlier page has left, so the inbox has to have read that. */
  #connectIfWanted(): void {
    this.#inOrder(async () => {
      if (this.#inbox.isRunning && this.#isLeading && this.#isWanted) this.#link.start();
    });
  }

  #inOrder(work: () => Promise<void>): void {
    this.#handover = this.#handover.then(work);
  }

  /** Something is known of the connection: tells this tab's handlers and the other tabs. */
  #share(known: Partial<Shared>): void {
    this.#learn({ ...this.#shared, ...known });
    if (this.#isLeading) this.#tabs?.tell({ type: 'shared', shared: this.#shared });
  }

  #learn(shared: Shared): void {
    const before = this.#shared.state;
    this.#shared = shared;
    if (JSON.stringify(before) !== JSON.stringify(shared.state)) this.#emitter.emit('state', shared.state);
  }

  #opened(welcome: WireWelcome): void {
    const { user, serverTime, maxContentBytes, ackWindow } = welcome;
    this.#share({ user, clockAheadMs: Date.parse(serverTime) - Date.now(), maxContentBytes });
    this.#inbox.opened(ackWindow);
    this.#outgoing.outbox.open(welcome);
  }

  #handle({ event, data }: FrameOf<ServerEvents>): void {
    if (event === 'message') this.#inbox.arrived(data);
    else if (event === 'receipts') for (const receipt of data) this.#outgoing.outbox.receipt(receipt);
    else if (event === 'endings') for (const { id, to, end } of data) this.#outgoing.ended({ id, to, status: end });
    else if (event === 'caught-up') this.#inbox.arrived(() => this.#caughtUp(data));
    else if (event === 'exception' && !this.#outgoing.outbox.refusal(data)) {
      this.#emitter.fail(new RefusedError(data.code, data.message), 'frame');
    }
  }

  #caughtUp(data: ClientEvents['caughtUp']): void {
    this.#tabs?.tell({ type: 'caughtUp', delivered: data.delivered });
    this.#emitter.emit('caughtUp', data);
  }

  /** What another tab tells. */
  #heard(news: News): void {
    if (news.type === 'kept' || news.type === 'pass' || news.type === 'receipt') this.#outgoing.heard(news);
    else if (news.type === 'cleared') this.#forget();
    else if (news.type === 'connect' || news.type === 'disconnect') this.#setWanted(news.type === 'connect');
    else if (news.type === 'message') this.#emitter.emit('message', news.message);
    else if (news.type === 'caughtUp') this.#emitter.emit('caughtUp', { delivered: news.delivered });
    else if (this.#isLeading) {
      if (news.type === 'ask') this.#share({});
      else if (news.type === 'look') this.#link.look();
      else if (news.type === 'left') void this.#inbox.readLeft();
      else if (news.type === 'cancel') this.#outgoing.cancel(news.id);
    } else if (news.type === 'shared') this.#followed(news.shared);
  }

  /** How things stand in the tab that leads. This one would go on so. */
  #followed(shared: Shared): void {
    if (shared.leader === this.#formerLeader) return; // It hung, and does not know yet that it was replaced.
    const { state } = shared.state;
    const isAnother = this.#shared.leader !== '' && shared.leader !== this.#shared.leader;
    if (isAnother) this.#formerLeader = this.#shared.leader;
    this.#isWanted = state !== 'idle' && state !== 'stopped';
    this.#learn(shared);
    if (isAnother) this.#outgoing.follow();
  }

  /** Another tab clears the store. Were it cleared here too, it might be so late that something new is in it. */
  #forget(): void {
    this.#setWanted(false);
    this.#outgoing.outbox.clear(CLEARED);
    this.#inOrder(() => this.#inbox.stop());
    this.#inOrder(async () => {
      if (!this.#isLeading) return;
      await this.#store.handled((await this.#store.inbox()).map(keyOf));
      await this.#inbox.start();
    });
  }

  /** Waits until the tab that has the connection has ended it; for two seconds at most, as it may hang. */
  async #untilOffline(): Promise<void> {
    let undo: () => void = () => undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      const look = () => (this.state.state === 'idle' || this.state.state === 'stopped') && resolve();
      undo = this.#emitter.on('state', look);
      timer = setTimeout(resolve, 2_000);
      look();
    });
    clearTimeout(timer);
    undo();
  }
}
