import type { ClientEvents as WireEvents, FrameOf, ServerEvents } from '../../src/protocol/wire.js';
import {
  RefusedError,
  type BroadcastOptions,
  type ClientEvents,
  type ClientOptions,
  type HoldfastClient,
  type PendingMessage,
  type SendOptions,
  type SentMessage,
  type StateChange,
} from './api.js';
import { chooseStore } from './choose-store.js';
import { clearAll } from './clearing.js';
import { Emitter } from './emitter.js';
import { Inbox } from './inbox.js';
import { CONNECTING, IDLE, Known } from './known.js';
import { Leading } from './leading.js';
import { Link } from './link.js';
import { newId } from './new-id.js';
import { Outgoing } from './outgoing.js';
import { watchPage } from './page.js';
import { ResilientStore } from './resilient-store.js';
import { canShare, Tabs, type EventOfAll, type News, type Shared } from './tabs.js';

const CLOSED = 'the client was closed';
const CLEARED = 'the client was cleared';

/**
 * One user's client. Each tab has one. Without other tabs it leads: it has the connection, writes the outbox and hands
 * what comes. Where tabs share a connection, one of them leads, and the others put what they send into the same store
 * and hear from it what happens.
 *
 * What has no receipt is in the store and, in every tab, in its outbox. So another tab can take over at any moment.
 * What is protected is for `holdfast-client/record`.
 */
export class Client implements HoldfastClient {
  protected readonly emitter = new Emitter();
  protected readonly records: boolean = false;
  readonly #known: Known;
  readonly #store: ResilientStore;
  readonly #outgoing: Outgoing;
  readonly #inbox: Inbox;
  readonly #link: Link;
  readonly #leading: Leading;
  /** Null when this tab is on its own. */
  readonly #tabs: Tabs | null;
  /** `suspended`: the page is away, and may come back. `left`: this tab takes no part until it is asked to. */
  #life: 'new' | 'running' | 'suspended' | 'left' | 'closed' = 'new';
  #unwatch: () => void = () => undefined;

  constructor(options: ClientOptions) {
    const { reconnect, outbox, heartbeatMs = 25_000, handlerMs = 30_000, user = null } = options;
    this.#known = new Known(user, this.emitter);
    const { store, name } = chooseStore(options);
    this.#store = new ResilientStore(store, (error) => this.emitter.fail(error, 'store'));
    const limits = { maxMessages: 1_000, maxBytes: 8 << 20, maxAgeMs: 7 * 86_400_000, ...outbox };
    this.#outgoing = new Outgoing(this.#store, this.emitter, limits, {
      write: (frame) => this.#link.send(frame),
      tell: (news) => this.tellTabs(news),
      isLeading: () => this.#leading.isOn || this.#tabs === null,
    });
    this.#inbox = new Inbox(this.#store, this.emitter, handlerMs, {
      acknowledge: (seq) => this.#link.send({ event: 'ack', data: { seq } }),
      handing: (message) => this.tellTabs({ type: 'message', message }),
      isStillLeading: async () => this.#tabs?.isStillLeading() ?? true,
      aliveAt: () => this.#tabs?.aliveAt ?? performance.now(),
      left: () => this.tellTabs({ type: 'left' }),
    });
    const linkOptions = { ...options, heartbeatMs, minDelayMs: 500, maxDelayMs: 30_000, ...reconnect };
    this.#link = new Link(linkOptions, this.emitter, {
      stateChanged: (state) => {
        if (state.state === 'stopped') this.#leading.note(false);
        this.#share({ state });
      },
      opened: (welcome) => {
        const { user, serverTime, maxContentBytes, ackWindow } = welcome;
        this.#share({ user, clockAheadMs: Date.parse(serverTime) - Date.now(), maxContentBytes });
        this.#inbox.opened(ackWindow);
        this.#outgoing.outbox.open(welcome);
      },
      shut: () => {
        this.#outgoing.outbox.shut();
        this.#inbox.shut();
      },
      frame: (frame) => this.handle(frame),
      tooBig: () => this.#outgoing.outbox.giveUpBiggest(),
    });
    this.#leading = new Leading(this.#link, this.#inbox, this.#outgoing);
    const owner = {
      lead: () => this.#lead(),
      follow: () => this.#leading.end(),
      heard: (news: News) => this.heard(news),
    };
    this.#tabs = name !== null && canShare() ? new Tabs(name, owner) : null;
  }

  get user(): string | null {
    return this.#known.shared.user;
  }

  get state(): StateChange {
    return this.#known.shared.state;
  }

  get pending(): readonly PendingMessage[] {
    return this.#outgoing.outbox.pending;
  }

  get now(): number {
    return Date.now() + this.#known.shared.clockAheadMs;
  }

  get maxContentBytes(): number | null {
    return this.#known.shared.maxContentBytes;
  }

  on<E extends keyof ClientEvents>(event: E, handler: (data: ClientEvents[E]) => unknown): () => void {
    const undo = this.emitter.on(event, handler);
    if (event === 'message') this.#inbox.handlerAdded();
    return undo;
  }

  send(to: string, content: string, options?: SendOptions): SentMessage {
    return this.#send(to, content, options);
  }

  broadcast(content: string, options?: BroadcastOptions): SentMessage {
    return this.#send(null, content, options);
  }

  signal(to: string, kind: string, data?: unknown): void {
    if (this.state.state !== 'online') return;
    if (this.leads) this.#outgoing.outbox.signal({ to, kind, data });
    else this.tellTabs({ type: 'signal', to, kind, data });
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

  leave(): void {
    if (this.#life !== 'running' && this.#life !== 'suspended') return;
    this.#unwatch();
    this.#leading.note(false);
    this.#stepBack('left');
    this.#share({ state: IDLE });
  }

  clear(): Promise<void> {
    this.disconnect();
    this.#outgoing.outbox.clear(CLEARED);
    this.tellTabs({ type: 'cleared' });
    return this.#leading.pause(() => clearAll(this.clearings()));
  }

  async close(): Promise<void> {
    if (this.#life === 'closed') return;
    this.#life = 'closed';
    this.#unwatch();
    this.#leading.end();
    await this.#leading.settled(); // Another tab takes over when all is written.
    this.#tabs?.stop();
    await this.#store.close();
    this.#outgoing.close();
    this.#share({ state: IDLE });
  }

  #send(to: string | null, content: string, { id = newId(), ...extras }: SendOptions = {}): SentMessage {
    const message = { id, to, content, at: Date.now(), ...extras };
    if (this.#life === 'closed') return this.#outgoing.refused(message, new RefusedError('CLOSED', CLOSED));
    this.#run();
    return this.#outgoing.send(message);
  }

  /** Begins to take part: reads what an earlier page has left, and leads, or asks who does. */
  #run(): void {
    if (this.#life !== 'new' && this.#life !== 'left') return;
    this.#unwatch = watchPage({
      look: () => (this.leads ? this.#link.look() : this.tellTabs({ type: 'look' })),
      offline: () => this.#link.doubt(),
      suspend: () => this.#life === 'running' && this.#stepBack('suspended'),
      resume: () => this.#life === 'suspended' && this.#begin(),
    });
    this.#begin();
  }

  #begin(): void {
    const wasAway = this.#life !== 'new';
    this.#life = 'running';
    if (!this.#tabs) return this.#lead();
    this.#tabs.start();
    this.#leading.inOrder(() => this.#outgoing.restore()); // Also a tab that only follows shows what waits.
    if (wasAway) this.#leading.inOrder(() => this.#outgoing.resume());
  }

  /** Another tab takes over. */
  #stepBack(life: 'suspended' | 'left'): void {
    this.#life = life;
    this.#leading.end();
    this.#tabs?.stop();
  }

  #lead(): void {
    this.#leading.begin(this.#known.shared.leader === '');
    // The connection of the tab that led before has ended with it.
    const state = this.#leading.isWanted ? CONNECTING : this.#known.isOver ? this.state : IDLE;
    this.#share({ leader: newId(), records: this.records, state });
  }

  #want(type: 'connect' | 'disconnect'): void {
    if (this.#life === 'closed') return;
    this.#leading.want(type === 'connect');
    this.tellTabs({ type });
  }

  /** Something is known of the connection: tells this tab's handlers and the other tabs. */
  #share(known: Partial<Shared>): void {
    this.#known.learn(known);
    if (this.leads) this.tellTabs({ type: 'shared', shared: this.#known.shared });
  }

  protected get leads(): boolean {
    return this.#leading.isOn;
  }

  /** Writes a frame that costs as much as so many messages. Returns false when this tab cannot do so now. */
  protected write(frame: FrameOf<WireEvents>, cost: number): boolean {
    const isWritten = this.leads && this.#outgoing.outbox.take(cost);
    if (isWritten) this.#link.send(frame);
    return isWritten;
  }

  protected tellTabs(news: News): void {
    this.#tabs?.tell(news);
  }

  protected handle({ event, data }: FrameOf<ServerEvents>): void {
    if (event === 'message') return data.echo ? undefined : this.#inbox.arrived(data);
    if (event === 'receipts') for (const receipt of data) this.#outgoing.outbox.receipt(receipt);
    else if (event === 'endings') for (const { id, to, end } of data) this.#outgoing.ended({ id, to, status: end });
    else if (event === 'caught-up') this.#inbox.arrived(() => this.#tell('caughtUp', data));
    else if (event === 'signal') this.#tell('signal', data);
    else if (event === 'exception' && !this.#outgoing.outbox.refusal(data)) {
      this.emitter.fail(new RefusedError(data.code, data.message), 'frame');
    }
  }

  /** Tells the handlers of every tab. */
  #tell<E extends EventOfAll>(event: E, data: ClientEvents[E]): void {
    this.tellTabs({ type: 'event', event, data });
    this.emitter.emit(event, data);
  }

  /** What removes all that is kept, in this order: until this user is offline another tab may receive. */
  protected clearings(): (() => Promise<void>)[] {
    return [() => this.#known.untilOffline(), () => this.#store.clear()];
  }

  /** What another tab tells. */
  protected heard(news: News): void {
    if (news.type === 'kept' || news.type === 'pass' || news.type === 'receipt') this.#outgoing.heard(news);
    else if (news.type === 'cleared') this.#forget();
    else if (news.type === 'connect' || news.type === 'disconnect') this.#leading.want(news.type === 'connect');
    else if (news.type === 'message') this.#inbox.shown(news.message);
    else if (news.type === 'event') this.emitter.emit(news.event, news.data);
    else if (this.leads) {
      if (news.type === 'ask') this.#share({});
      else if (news.type === 'look') this.#link.look();
      else if (news.type === 'left') void this.#inbox.readLeft();
      else if (news.type === 'cancel') this.#outgoing.cancel(news.id);
      else if (news.type === 'signal') this.signal(news.to, news.kind, news.data);
    } else if (news.type === 'shared') this.#followed(news.shared);
  }

  /** How things stand in the tab that leads. This one would go on so. */
  #followed(shared: Shared): void {
    const isAnother = this.#known.hear(shared);
    if (isAnother === null) return;
    this.#leading.note(!this.#known.isOver);
    if (this.records && !shared.records) this.#tabs!.takeOver();
    else if (isAnother) this.#outgoing.follow();
  }

  /** Another tab clears the store. Were it cleared here too, it might be so late that something new is in it. */
  #forget(): void {
    this.#leading.want(false);
    this.#outgoing.outbox.clear(CLEARED);
    void this.#leading.pause(async () => (this.leads ? this.#inbox.forget() : undefined));
  }
}
