import { Logger } from '@nestjs/common';
import type { Ledger } from '../delivery/ledger.js';
import { mailboxKeyOf, type MailboxKey, type RemovalReason, type StoredHeader } from '../delivery/mailbox-store.js';
import type { NoticeState, NoticeTable } from '../offline-messages/notice.table.js';
import type { NodeStore } from '../offline-messages/node-store.js';
import type { StoreEvents } from '../offline-messages/store-events.js';
import type { ChatOptions } from '../options/chat.options.js';
import { within } from '../options/clock.js';
import type { Message } from '../protocol/message.js';
import { DueQueue } from './due-queue.js';
import type { Spell } from './spell.js';
import { WaitingListeners, type WaitingListener } from './waiting-listeners.js';
import { WaitingScan } from './waiting-scan.js';

/** How many users the listeners are told of at the same time. */
const TOLD_AT_ONCE = 8;
/** Pause before the first new try, in milliseconds. Each further one is twice as long, up to the longest. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 600_000;
/** Mailboxes whose state is read in one statement. */
const CHECKED_AT_ONCE = 500;
/**
 * Time before the first look at what an earlier run left, in milliseconds, unless `waitingAfterMs` is shorter: the
 * clients reconnect meanwhile, and whoever fetches their messages need not be told.
 */
const RETURN_MS = 10_000;

/** The store, as the notifier uses it. */
export interface NotifyingStore extends Pick<StoreEvents, 'removed' | 'displaced'> {
  readonly notices: Pick<NoticeTable, keyof NoticeTable>;
  readonly node: Pick<NodeStore, 'acquired'> | null;
}

/**
 * Tells the listeners of `waiting` once for each spell: when the oldest message that waits for a user is
 * `waitingAfterMs` old, and none was confirmed for as long. Whether the user seems to be connected plays no part.
 *
 * The store knows who was told. In memory are only mailboxes in which something was stored or confirmed during the last
 * `waitingAfterMs`, and those whose listeners fail. What the store says when the time has come decides, so an event too
 * many does no harm.
 *
 * It does not promise that a user is told only once: the process may die, or the store fail, between the telling and
 * the note of it.
 */
export class WaitingNotifier {
  private readonly listeners: WaitingListeners;
  private readonly spells = new Map<MailboxKey, Spell>();
  private readonly waiting = new DueQueue<Spell>();
  private readonly ready = new Set<Spell>();
  private readonly tellings = new Set<Promise<void>>();
  /** The first message of each mailbox that left without a confirmation, until the notices have followed. */
  private readonly left = new Map<MailboxKey, number>();
  private phase: 'idle' | 'working' | 'stopped' = 'idle';
  private scan: WaitingScan | null = null;
  private alarm: { readonly at: number; readonly cancel: () => void } | null = null;
  private unsubscribe: (() => void)[] = [];

  constructor(
    listeners: readonly WaitingListener[],
    private readonly ledger: Pick<Ledger, 'stored' | 'countWaiting'>,
    private readonly store: NotifyingStore,
    private readonly options: Pick<ChatOptions, 'clock' | 'waitingAfterMs' | 'drainMs'>,
  ) {
    this.listeners = new WaitingListeners(listeners, options.clock);
  }

  start(): void {
    this.unsubscribe = [
      this.ledger.stored.on((message) => this.onStored(message)),
      this.store.removed.on((row, reason) => this.onRemoved(row, reason)),
      // Another server, or the node that had these slots, may have left something.
      this.store.node?.acquired.on((slots) => this.startScan([...(this.scan?.slots ?? []), ...slots])) ??
        this.store.displaced.on(() => this.startScan()),
    ];
    if (this.store.node === null) this.startScan();
  }

  /** Tells nobody any more. Waits for half of `drainMs` for those who are being told; the next start tells the others. */
  async stop(): Promise<void> {
    const { clock, drainMs } = this.options;
    this.phase = 'stopped';
    for (const unsubscribe of this.unsubscribe) unsubscribe();
    this.alarm?.cancel();
    if (this.tellings.size === 0) return;
    const late = () =>
      new Error('A listener of "waiting" is still busy. What it was told is told again after the start.');
    await within(clock, drainMs / 2, Promise.all(this.tellings), late).catch((error: Error) =>
      new Logger('ChatEvents').warn(error.message),
    );
  }

  private get now(): number {
    return this.options.clock.monotonic();
  }

  private ageOf(sentAt: number): number {
    return this.options.clock.now() - sentAt;
  }

  private onStored({ to, sentAt, extras }: Message): void {
    if (extras?.urgency === 'very-low') return;
    const known = this.spells.get(mailboxKeyOf(to));
    const spell = known ?? this.begin(mailboxKeyOf(to));
    spell.isUrgent ||= extras?.urgency === 'high';
    if (spell.state !== 'waiting') spell.hasNews = true;
    else if (spell.isUrgent && spell.failures === 0) this.wait(spell, this.now);
    else if (!known) this.wait(spell, this.now + this.options.waitingAfterMs - Math.max(0, this.ageOf(sentAt)));
  }

  private onRemoved({ mailbox, position }: StoredHeader, reason: RemovalReason): void {
    const spell = this.spells.get(mailbox);
    if (reason === 'confirmed') {
      this.left.delete(mailbox);
      return this.onConfirmed(spell ?? this.begin(mailbox));
    }
    // A message that is evicted or replaced makes way for another, so it never is the last one.
    if (spell && (reason === 'purged' || reason === 'expired')) this.onLeft(spell);
    if (this.left.size === 0) void this.follow();
    this.left.set(mailbox, Math.min(position, this.left.get(mailbox) ?? position));
  }

  /** Its user is there, so the listeners are told of what is left only after another `waitingAfterMs`. */
  private onConfirmed(spell: Spell): void {
    spell.isUrgent = false;
    if (spell.state === 'telling' || spell.state === 'over') return void (spell.state = 'over');
    this.ready.delete(spell);
    this.waitAnew(spell, this.now + this.options.waitingAfterMs);
  }

  /** A message has left without a confirmation, and its mailbox may be empty. */
  private onLeft(spell: Spell): void {
    if (spell.state === 'telling') spell.state = 'over';
    if (spell.state !== 'checking' && spell.state !== 'ready') return;
    this.ready.delete(spell);
    this.wait(spell, this.now);
  }

  /** Before the next commit of stores: it may fill an empty mailbox again, and that is a new spell. */
  private async follow(): Promise<void> {
    const takeLeft = () => {
      const rows = [...this.left].map(([mailbox, position]) => ({ mailbox, position }));
      this.left.clear();
      return rows;
    };
    try {
      await this.store.notices.follow(takeLeft);
    } catch {
      this.left.clear(); // The store logs its failures itself. The user is told once more at worst.
    }
  }

  private begin(mailbox: MailboxKey): Spell {
    const untold = this.listeners.all;
    const spell: Spell = { mailbox, state: 'waiting', hasNews: false, isUrgent: false, failures: 0, untold };
    this.spells.set(mailbox, spell);
    return spell;
  }

  private wait(spell: Spell, at: number): void {
    spell.state = 'waiting';
    this.waiting.set(spell, at);
    this.schedule();
  }

  private waitAnew(spell: Spell, at: number): void {
    spell.failures = 0;
    spell.untold = this.listeners.all;
    this.wait(spell, at);
  }

  /** Nothing is left to do for this spell. */
  private finish(spell: Spell): void {
    const { waitingAfterMs } = this.options;
    if (spell.hasNews || spell.state === 'over') this.waitAnew(spell, this.now + (spell.isUrgent ? 0 : waitingAfterMs));
    else this.spells.delete(spell.mailbox);
  }

  private startScan(slots: number[] | null = null): void {
    const at = this.now + Math.min(this.options.waitingAfterMs, RETURN_MS);
    this.scan = new WaitingScan(this.store.notices, at, slots);
    this.schedule();
  }

  /** Sets the one timer. While as many are told as may be, the end of each goes on instead. */
  private schedule(): void {
    if (this.phase !== 'idle' || this.ready.size > 0) return;
    const times = [this.waiting.firstAt, this.scan?.at].filter((at) => typeof at === 'number');
    const at = Math.min(...times);
    if (times.length === 0 || (this.alarm && this.alarm.at <= at)) return;
    this.alarm?.cancel();
    const cancel = this.options.clock.after(Math.max(0, at - this.now), () => {
      this.alarm = null;
      void this.work();
    });
    this.alarm = { at, cancel };
  }

  /** Handles what is due, as far as listeners may be told. It never rejects, and runs once at a time. */
  private async work(): Promise<void> {
    if (this.phase !== 'idle') return;
    this.phase = 'working';
    while (this.isWorking() && this.tellReady() && (await this.findMore()));
    if (!this.isWorking()) return;
    this.phase = 'idle';
    this.schedule();
  }

  private isWorking(): boolean {
    return this.phase === 'working';
  }

  /** Begins to tell of those that are ready; returns false when some have to wait until others are done. */
  private tellReady(): boolean {
    for (const spell of this.ready) {
      if (this.tellings.size >= TOLD_AT_ONCE) return false;
      this.ready.delete(spell);
      const telling = this.tell(spell).finally(() => {
        this.tellings.delete(telling);
        void this.work();
      });
      this.tellings.add(telling);
    }
    return true;
  }

  /** Looks at what is due, and goes on with the scan; returns false when nothing was due. */
  private async findMore(): Promise<boolean> {
    const due = this.waiting.take(this.now, CHECKED_AT_ONCE);
    await this.check(due);
    const { scan } = this;
    if (scan === null || scan.at > this.now || due.length === CHECKED_AT_ONCE) return due.length > 0;
    try {
      const mailboxes = await scan.next();
      await this.check(mailboxes.filter((mailbox) => !this.spells.has(mailbox)).map((mailbox) => this.begin(mailbox)));
    } catch {
      scan.at = this.now + FIRST_RETRY_MS; // The store logs its failures itself.
    }
    if (scan.isDone && this.scan === scan) this.scan = null;
    return true;
  }

  /** Reads the state of these and decides what comes next. It never rejects. */
  private async check(spells: readonly Spell[]): Promise<void> {
    if (spells.length === 0) return;
    for (const spell of spells) {
      spell.state = 'checking';
      spell.hasNews = false;
    }
    try {
      const states = await this.store.notices.states(spells.map(({ mailbox }) => mailbox));
      const byMailbox = new Map(states.map((state) => [state.mailbox, state]));
      // An event that came meanwhile has given some of them another time.
      for (const spell of spells) if (spell.state === 'checking') this.decide(spell, byMailbox.get(spell.mailbox));
      const emptied = states.filter(({ oldest, told }) => oldest === 0 && told > 0);
      if (emptied.length > 0) await this.store.notices.removeOfEmpty(emptied.map(({ mailbox }) => mailbox));
    } catch {
      // The store logs its failures itself.
      for (const spell of spells) if (spell.state === 'checking') this.wait(spell, this.now + FIRST_RETRY_MS);
    }
  }

  /** Without a state another server owns the store, and tells its users itself. */
  private decide(spell: Spell, state: NoticeState | undefined): void {
    if (!state || state.told >= state.oldest || state.sentAt === 0) return this.finish(spell);
    const ageMs = this.ageOf(state.sentAt);
    const leftMs = this.options.waitingAfterMs - ageMs;
    // A message from the future counts as old enough: the clock was set back meanwhile.
    if (!spell.isUrgent && ageMs >= 0 && leftMs > 0) return this.waitAnew(spell, this.now + leftMs);
    spell.state = 'ready';
    this.ready.add(spell);
  }

  /** Tells the listeners and notes it. It never rejects. */
  private async tell(spell: Spell): Promise<void> {
    const { notices } = this.store;
    const isOver = () => spell.state === 'over';
    spell.state = 'telling';
    spell.hasNews = false;
    try {
      const summary = await notices.summary(spell.mailbox);
      if (!summary || isOver()) return this.finish(spell);
      if (spell.untold.length > 0) {
        spell.untold = await this.listeners.tell(spell.untold, { user: summary.newest.to, ...summary });
        this.ledger.countWaiting(spell.untold.length === 0 ? 'told' : 'failed');
      }
      if (spell.untold.length > 0) return this.tellAgain(spell);
      await notices.save(spell.mailbox, isOver);
      this.finish(spell);
    } catch {
      this.tellAgain(spell); // The store logs its failures itself. Who was told already is not called again.
    }
  }

  private tellAgain(spell: Spell): void {
    if (spell.state === 'over') return this.finish(spell);
    const pauseMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** spell.failures);
    spell.failures += 1;
    this.wait(spell, this.now + pauseMs);
  }
}
