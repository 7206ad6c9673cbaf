import { Logger } from '@nestjs/common';
import type { DeliveryService } from '../delivery/delivery.service.js';
import type { PositionBlock } from '../delivery/mailbox-store.js';
import type { Unsettled } from '../delivery/release.js';
import type { Clock } from '../options/clock.js';
import { Emitter } from '../options/emitter.js';
import { RareLog } from '../options/rare-log.js';
import { reasonOf } from './failures.js';
import type { Membership } from './membership.js';
import { slotOf, SLOTS } from '../offline-messages/slot.js';

/** Pause before a step that needs Postgres is tried again, in milliseconds. */
const RETRY_MS = 250;
/** How often the rest of the block of positions is looked at, in milliseconds. */
const LOOK_MS = 10_000;
/** What becomes of messages while a slot belongs to nobody who serves it. */
const WAITS = 'Messages to their users wait, for up to 10 s.';
const NO_BLOCK: PositionBlock = { above: 0, upTo: 0 };

/**
 * What this node does with a slot:
 * - `absent`: nothing; it belongs to another node, or to none
 * - `acquiring`: it belongs to this node, and the store takes it over
 * - `served`: this node is the home of its users
 * - `releasing`: another node is to have it; nothing more is accepted
 */
type SlotState = 'absent' | 'acquiring' | 'served' | 'releasing';

/** The store of a node, as it comes and goes with its slots. */
export interface SlotStore {
  /** A statement has found no row of this node. The store waits until it is abandoned, and joins again. */
  readonly fenced: Emitter<void>;
  /** The node is a member with this id: the store writes as that node from now on. */
  join(node: number): Promise<void>;
  /** Takes slots over and counts what waits in them; returns positions above all that were given before. */
  acquire(slots: readonly number[]): Promise<PositionBlock>;
  /** Returns another block of positions, above all that were given before. */
  draw(): Promise<PositionBlock>;
  /** Commits all that was asked for these slots, and forgets them. */
  release(slots: readonly number[]): Promise<void>;
  /** Forgets everything, without a word to anybody. */
  abandon(): Promise<void>;
}

/** The slots that this node is the home of: takes them over, lets them go, and says at any moment which it serves. */
export class ServedSlots {
  private readonly logger = new Logger('Cluster');
  /** These slots are served from now on. */
  readonly served = new Emitter<readonly number[]>(this.logger, 'served');
  /** The node was fenced and serves nothing any more. What senders of this process wait for has to be sent again. */
  readonly abandoned = new Emitter<readonly Unsettled[]>(this.logger, 'abandoned');
  private readonly rareLog: RareLog;
  private states: SlotState[] = Array<SlotState>(SLOTS).fill('absent');
  private lastBlock = NO_BLOCK;
  /** The states under which it tries to draw a block: one try goes on for as long as Postgres is away. */
  private drawsFor: SlotState[] | null = null;
  private cancelLook: () => void;
  /** Ends with the store's having joined under the present id of the node. */
  private joined: { readonly node: number; readonly done: Promise<void> } | null = null;

  constructor(
    private readonly membership: Membership,
    private readonly home: DeliveryService,
    private readonly store: SlotStore,
    private readonly clock: Clock,
  ) {
    this.rareLog = new RareLog(this.logger, clock);
    this.cancelLook = clock.after(LOOK_MS, () => this.look());
    membership.acquired.on((slots) => void this.acquire(slots));
    membership.asked.on((slots) => this.onAsked(slots));
    membership.fenced.on(() => this.onFenced());
    store.fenced.on(() => membership.check());
  }

  /**
   * Whether a message, or a connection, of this slot may be accepted here now. Without the lease another node may be
   * its home already.
   */
  serves(slot: number): boolean {
    return this.states[slot] === 'served' && this.membership.holdsLease;
  }

  /** How many are served. */
  get count(): number {
    return this.states.filter((state) => state === 'served').length;
  }

  /** Serves nothing any more, and tries nothing again. */
  close(): void {
    this.cancelLook();
    this.states = Array<SlotState>(SLOTS).fill('absent');
  }

  /** Another node may have asked for some of them meanwhile. It gets them without their ever having been served. */
  private async acquire(slots: readonly number[]): Promise<void> {
    const { states } = this;
    for (const slot of slots) states[slot] = 'acquiring';
    const takeOver = async () => {
      await this.join();
      const block = await this.store.acquire(slots);
      if (states === this.states) this.takeBlock(block);
    };
    if (!(await this.insist(states, takeOver, 'taken over'))) return;
    const served = slots.filter((slot) => states[slot] === 'acquiring');
    for (const slot of served) states[slot] = 'served';
    if (served.length > 0) this.served.emit(served);
    await this.release(slots.filter((slot) => states[slot] === 'releasing'));
  }

  private onAsked(slots: readonly number[]): void {
    const { states } = this;
    const served = slots.filter((slot) => states[slot] === 'served');
    for (const slot of slots) if (states[slot] !== 'absent') states[slot] = 'releasing';
    void this.release(served); // Those that are being taken over follow when they are.
  }

  private async release(slots: readonly number[]): Promise<void> {
    if (slots.length === 0) return;
    const { states } = this;
    const letGo = async () => {
      const released = new Set(slots);
      await this.home.release((mailbox) => released.has(slotOf(mailbox)));
      await this.store.release(slots);
    };
    if (!(await this.insist(states, letGo, 'released'))) return;
    // Before the others hear of it: such a slot may come back at once.
    for (const slot of slots) states[slot] = 'absent';
    await this.insist(states, () => this.membership.release(slots), 'handed over');
  }

  private onFenced(): void {
    this.states = Array<SlotState>(SLOTS).fill('absent');
    this.lastBlock = NO_BLOCK; // It draws nothing before it has slots again.
    const unanswered = this.home.abandon();
    void this.store.abandon(); // It never rejects.
    this.abandoned.emit(unanswered);
  }

  /**
   * Draws the next block when half of this one is used, which takes minutes at least: live messages need positions also
   * while Postgres is away.
   */
  private look(): void {
    this.cancelLook = this.clock.after(LOOK_MS, () => this.look());
    const { above, upTo } = this.lastBlock;
    const { states } = this;
    if (upTo === 0 || this.drawsFor === states || this.home.positionsLeft > (upTo - above) / 2) return;
    this.drawsFor = states;
    const draw = async () => {
      const block = await this.store.draw();
      if (states === this.states) this.takeBlock(block);
    };
    void this.insist(states, draw, 'given positions', 'Messages go on with the positions that are left.').then(
      (isDone) => isDone && (this.drawsFor = null),
    );
  }

  /** Groups of slots may be taken over at the same time. The highest block is above what any owner has given. */
  private takeBlock(block: PositionBlock): void {
    if (block.above < this.lastBlock.above) return;
    this.lastBlock = block;
    this.home.takeBlock(block);
  }

  /** The store joins once under each id of the node, for all groups of slots. */
  private join(): Promise<void> {
    const node = this.membership.self;
    if (this.joined?.node !== node) {
      const done = this.store.join(node);
      this.joined = { node, done };
      done.catch(() => (this.joined = null)); // Whoever asked for it tries again.
    }
    return this.joined.done;
  }

  /** Tries a step until it succeeds; returns false when the node was fenced meanwhile. It never rejects. */
  private async insist(
    states: SlotState[],
    step: () => Promise<void>,
    what: string,
    meanwhile = WAITS,
  ): Promise<boolean> {
    while (states === this.states) {
      try {
        await step();
        return states === this.states;
      } catch (error) {
        if (states !== this.states) return false;
        this.rareLog.warn(
          what,
          `This node tries again, as slots could not be ${what} yet: ${reasonOf(error)}. ${meanwhile}`,
        );
        await new Promise<void>((resolve) => this.clock.after(RETRY_MS, resolve));
      }
    }
    return false;
  }
}
