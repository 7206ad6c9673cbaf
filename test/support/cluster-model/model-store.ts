import { Logger } from '@nestjs/common';
import type { SlotStore } from '../../../src/cluster/served-slots.js';
import { slotOf } from '../../../src/offline-messages/slot.js';
import type {
  MailboxKey,
  MailboxStore,
  Page,
  PositionBlock,
  RemovalReason,
  SpareReason,
  StoredHeader,
  StoredKey,
  StoredMessage,
  StoreOutcome,
  StoreRequest,
} from '../../../src/delivery/mailbox-store.js';
import { Emitter } from '../../../src/options/emitter.js';
import type { Mutant } from './mutants.js';
import type { ModelPostgres } from './model-postgres.js';
import type { ModelProcess } from './model-process.js';

/** Messages of one commit. */
const AT_ONCE = 8;

/** What a commit has done. */
interface Committed {
  readonly isFenced: boolean;
  readonly outcomes: readonly StoreOutcome[];
}

/** The store of a node of the model: a commit queue before the database, with the fence, and counts by slot. */
export class ModelStore implements MailboxStore, SlotStore {
  private readonly logger = new Logger('Model');
  readonly removed = new Emitter<StoredHeader, RemovalReason>(this.logger, 'removed');
  readonly spare = new Emitter<StoredHeader, SpareReason>(this.logger, 'spare');
  readonly fenced = new Emitter<void>(this.logger, 'fenced');
  readonly displaced = new Emitter<number, boolean>(this.logger, 'displaced');
  readonly lastPosition = 0;
  readonly counts = {
    pending: 0,
    recovered: 0,
    handedOver: 0,
    confirmed: 0,
    expired: 0,
    purged: 0,
    evicted: 0,
    replaced: 0,
  };
  readonly lastSeen = { note: () => undefined, of: () => Promise.resolve(null) };
  readonly record = null;
  readonly isFull = false;
  private queue: StoreRequest[] = [];
  private readonly removals = new Map<number, StoredHeader>();
  private readonly pendingOf = new Map<number, number>();
  private state: 'idle' | 'committing' | 'fenced' = 'idle';
  private flushed: (() => void)[] = [];
  /** Grows when the node is fenced: what was asked for before is nobody's. */
  private life = 0;
  private blocks = 0;

  constructor(
    private readonly process: ModelProcess,
    private readonly postgres: ModelPostgres,
    private readonly selfOf: () => number,
    private readonly mutant: Mutant | null,
  ) {}

  whenRoom(callback: () => void): void {
    callback();
  }

  join(): Promise<void> {
    this.state = 'idle';
    return Promise.resolve();
  }

  draw(): Promise<PositionBlock> {
    return this.ask(() => blockAbove(this.postgres.nextBlock()));
  }

  async acquire(slots: readonly number[]): Promise<PositionBlock> {
    const { postgres, life } = this;
    const isLazy = this.mutant === 'no new block' && this.blocks > 0;
    const { above, waiting } = await this.ask(() => ({
      above: isLazy ? 0 : postgres.nextBlock(),
      waiting: slots.map((slot) => [slot, this.waitingIn(slot)] as const),
    }));
    if (life !== this.life) throw new Error('the node was fenced meanwhile');
    this.blocks += 1;
    for (const [slot, count] of waiting) {
      this.pendingOf.set(slot, count);
      this.counts.pending += count;
      this.counts.recovered += count;
    }
    return blockAbove(above);
  }

  async release(slots: readonly number[]): Promise<void> {
    if (this.mutant !== 'release without waiting') await this.flush();
    this.forget(slots);
  }

  abandon(): Promise<void> {
    this.life += 1;
    this.queue = [];
    this.removals.clear();
    this.forget([...this.pendingOf.keys()]);
    this.state = 'fenced';
    this.endFlush();
    return Promise.resolve();
  }

  store(request: StoreRequest): void {
    this.queue.push(request);
    this.begin();
  }

  cancel(request: StoreRequest): boolean {
    const index = this.queue.indexOf(request);
    if (index >= 0) this.queue.splice(index, 1);
    return index >= 0;
  }

  remove(row: StoredHeader, reason: RemovalReason): void {
    if (reason !== 'confirmed') throw new Error(`the model has no row that is ${reason}`);
    this.removals.set(row.position, row);
    this.begin();
  }

  async firstPage(mailbox: MailboxKey, upTo: number, limit: number): Promise<Page & { pending: number }> {
    const { postgres } = this;
    return this.ask(() => ({
      ...pageOf(postgres.rowsOf(mailbox), 0, upTo, limit),
      pending: postgres.rowsOf(mailbox).length,
    }));
  }

  page(mailbox: MailboxKey, after: number, upTo: number, limit: number): Promise<Page> {
    return this.ask(() => pageOf(this.postgres.rowsOf(mailbox), after, upTo, limit));
  }

  isBeingRemoved({ position }: StoredKey): boolean {
    return this.removals.has(position);
  }

  count(mailbox: MailboxKey): Promise<number> {
    return this.ask(() => this.postgres.rowsOf(mailbox).length);
  }

  flush(): Promise<void> {
    return new Promise((resolve) => {
      this.flushed.push(resolve);
      if (this.state === 'idle') this.endFlush();
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private ask<Result>(operation: () => Result): Promise<Result> {
    return new Promise((resolve) => this.postgres.run(this.process, operation, resolve));
  }

  private waitingIn(slot: number): number {
    let count = 0;
    for (const [mailbox, rows] of this.postgres.rows) if (slotOf(mailbox) === slot) count += rows.length;
    return count;
  }

  private forget(slots: readonly number[]): void {
    for (const slot of slots) {
      const count = this.pendingOf.get(slot) ?? 0;
      this.pendingOf.delete(slot);
      this.counts.pending -= count;
      this.counts.handedOver += count;
    }
  }

  private begin(): void {
    if (this.state !== 'idle') return;
    this.state = 'committing';
    this.process.after(0, () => this.commit());
  }

  private commit(): void {
    if (this.state !== 'committing') return;
    const batch = this.queue.splice(0, AT_ONCE);
    const removals = [...this.removals.values()];
    if (batch.length === 0 && removals.length === 0) {
      this.state = 'idle';
      return this.endFlush();
    }
    const self = this.selfOf();
    const { life } = this;
    // What a batch stores was decided when it was sent.
    const rows = batch.map((request) => rowOf(request, this.process.clock.now()));
    const execute = (): Committed => this.execute(self, rows, removals);
    this.postgres.run(this.process, execute, ({ isFenced, outcomes }) => {
      if (life !== this.life) return;
      if (isFenced) {
        this.state = 'fenced';
        return this.fenced.emit();
      }
      for (const row of removals) this.onRemoved(row);
      for (const [index, request] of batch.entries()) this.onOutcome(request, outcomes[index]!);
      this.commit();
    });
  }

  /** In the database: the fence, and then the rows. */
  private execute(self: number, rows: readonly StoredMessage[], removals: readonly StoredHeader[]): Committed {
    const { postgres } = this;
    if (!postgres.hasNode(self)) return { isFenced: true, outcomes: [] };
    const outcomes = rows.map((row): StoreOutcome => {
      const first = postgres.insert(row);
      return first.position === row.position ? { status: 'stored' } : { status: 'duplicate', sentAt: first.sentAt };
    });
    for (const { mailbox, position } of removals) postgres.remove(mailbox, position);
    return { isFenced: false, outcomes };
  }

  private onRemoved(row: StoredHeader): void {
    this.removals.delete(row.position);
    this.countPending(row.mailbox, -1);
    this.counts.confirmed += 1;
    this.removed.emit(row, 'confirmed');
  }

  private onOutcome(request: StoreRequest, outcome: StoreOutcome): void {
    if (outcome.status === 'stored') this.countPending(request.mailbox, 1);
    request.onSettled(outcome);
  }

  private countPending(mailbox: string, count: number): void {
    const slot = slotOf(mailbox);
    this.counts.pending += count;
    this.pendingOf.set(slot, (this.pendingOf.get(slot) ?? 0) + count);
  }

  private endFlush(): void {
    for (const resolve of this.flushed.splice(0)) resolve();
  }
}

function blockAbove(above: number): PositionBlock {
  return { above, upTo: above + 999_999 };
}

function rowOf({ mailbox, message, position, bytes }: StoreRequest, storedAt: number): StoredMessage {
  return { ...message, mailbox, position, bytes, storedAt };
}

function pageOf(rows: readonly StoredMessage[], after: number, upTo: number, limit: number): Page {
  const found = rows.filter(({ position }) => position > after && position <= upTo);
  return { rows: found.slice(0, limit).map((row) => ({ ...row })), isLast: found.length <= limit };
}
