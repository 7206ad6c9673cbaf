import { Logger } from '@nestjs/common';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RecordRequest, RemovalReason, StoredHeader, StoredKey, StoreRequest } from '../delivery/mailbox-store.js';
import type { Clock } from '../options/clock.js';
import { Emitter } from '../options/emitter.js';
import { inNoContext } from '../options/no-context.js';
import { errors, type ChatError } from '../protocol/chat-error.js';
import type { RemovalWatcher } from './pending-deletes.js';
import type { AskedMark } from './pending-marks.js';
import { isClosing, isPaused, isRunning, nextPhase, type QueueEvent, type QueuePhase } from './queue-phase.js';
import type { SlotSet } from './slot-set.js';
import { TryCounter } from './store-fault.js';
import type { StoreWriter } from './store-writer.js';

/** Pause before the next try after a failure, in milliseconds. */
const RETRY_MS = 250;

/** What is not committed yet: messages to insert, their content in bytes, and rows to delete. */
export interface QueueDepth {
  readonly inserts: number;
  readonly bytes: number;
  readonly deletes: number;
}

/**
 * The one way to the table: group commit. What gathers during one round goes into the next. A round serves the reads,
 * then commits up to one statement of inserts (1,000 rows or 4 MiB) and one of deletes. While the store fails, the
 * commits come first, and there may be several statements of deletes. Only the queue uses the store's connection.
 *
 * It does not promise that a message offered to it is stored: `onSettled` gets the outcome.
 */
export class CommitQueue {
  /** A statement has found out that this node is not a member of the cluster any more. */
  readonly fenced = new Emitter<void>(new Logger('OfflineMessages'), 'fenced');
  private phase: QueuePhase;
  private readonly tries = new TryCounter();
  private reads: (() => Promise<void>)[] = [];
  private flushListeners: (() => void)[] = [];
  /** The rounds that are running, or have run last. */
  private rounds: Promise<void> = Promise.resolve();
  private endPause: () => void = () => undefined;

  /** `slots` are those of a node, which begins outside the cluster: nothing of another slot is ever written. */
  constructor(
    private readonly writer: StoreWriter,
    private readonly clock: Clock,
    private readonly slots: SlotSet | null = null,
  ) {
    this.phase = slots === null ? 'idle' : 'outside';
  }

  get depth(): QueueDepth {
    const { stores, records, deletes } = this.writer;
    return { inserts: stores.size + records.size, bytes: stores.bytes + records.bytes, deletes: deletes.size };
  }

  /** On a node, a message of a slot that it does not have any more is dropped: it is its new owner's to store. */
  store(request: StoreRequest): void {
    if (this.slots !== null && !this.slots.has(request.mailbox)) return;
    this.writer.stores.add(request);
    this.move('asked');
  }

  /** Writes a message into the record that was relayed already. On a node, the same holds as for `store`. */
  record(request: RecordRequest): void {
    if (this.slots !== null && !this.slots.has(request.mailbox)) return;
    this.writer.records.add(request);
    this.move('asked');
  }

  /** Moves a mark of the record; it is forgotten when too many wait. Every node may move every mark: none goes back. */
  mark(mark: AskedMark): void {
    if (this.writer.marks.add(mark)) this.move('asked');
  }

  /** Moves a mark, and resolves after the commit; rejects with STORE_UNAVAILABLE. */
  marked(mark: AskedMark): Promise<void> {
    if (isClosing(this.phase)) return Promise.reject(errors.goingAway());
    return new Promise((onCommitted, onFailed) => {
      if (this.writer.marks.add(mark, [{ onCommitted, onFailed }])) this.move('asked');
      else onFailed(errors.notStored(this.writer.health.cause));
    });
  }

  /** Takes a message back before its commit has begun; returns false when it is too late for that. */
  cancel(request: StoreRequest): boolean {
    return this.writer.stores.cancel(request);
  }

  /** Deletes a stored message. The first reason counts. On a node, it leaves alone what is another's by now. */
  remove(row: StoredHeader, reason: RemovalReason, watcher?: RemovalWatcher): void {
    if (this.slots !== null && !this.slots.has(row.mailbox)) return watcher?.onRemoved(false);
    this.writer.deletes.add(row, reason, watcher);
    this.move('asked');
  }

  /** Returns whether this row is about to be deleted. */
  isBeingRemoved(row: StoredKey): boolean {
    return this.writer.deletes.has(row);
  }

  /** Runs a read between two commits; rejects with STORE_UNAVAILABLE when the disk cannot be read. */
  read<Result>(run: () => Promise<Result>): Promise<Result> {
    if (isClosing(this.phase)) {
      return Promise.reject(errors.goingAway());
    }
    return new Promise<Result>((resolve, reject) => {
      this.reads.push(async () => {
        if (this.writer.isInDoubt) reject(errors.notRead(this.writer.health.cause));
        else await run().then(resolve, (cause: unknown) => reject(this.readFailed(cause)));
      });
      this.move('asked');
    });
  }

  /** Resolves when everything that was asked for is committed, or could not be. */
  flush(): Promise<void> {
    if (this.phase === 'outside') return Promise.resolve();
    return new Promise((resolve) => {
      this.flushListeners.push(resolve);
      this.move('asked');
    });
  }

  get isClosing(): boolean {
    return isClosing(this.phase);
  }

  /** This node is a member of the cluster, and the session is that of its new id. */
  join(): void {
    this.move('joined');
  }

  /** This node is not a member any more. Resolves when no statement is under way; those who flush wait no longer. */
  async leave(): Promise<void> {
    this.move('fenced');
    await this.rounds;
  }

  /** The open file or session is not the store any more: nothing is committed before it is opened again. */
  markBroken(cause: unknown): void {
    if (isClosing(this.phase) || this.phase === 'outside') return;
    this.writer.markBroken(cause);
    this.move('asked');
  }

  /** Resolves when everything is committed. What the store refuses even now is tried once, then given up and logged. */
  async close(): Promise<void> {
    this.move('close');
    await this.rounds;
    await this.serveReads(); // Those that were asked for while the last round was failing.
    const { inserts, deletes } = this.depth;
    if (inserts + deletes > 0) this.writer.health.logLost(inserts, deletes);
    this.writer.marks.fail(errors.goingAway());
  }

  /** The one place where the phase changes. */
  private move(event: QueueEvent): void {
    const before = this.phase;
    this.phase = nextPhase(before, event);
    if (this.phase === before) return;
    if (isPaused(before)) this.endPause();
    if (isRunning(this.phase) && !isRunning(before)) this.rounds = inNoContext(() => this.run());
  }

  private async run(): Promise<void> {
    await nextTurn(); // Everything that this turn asks for goes into the same commit.
    this.tries.reset();
    while (isRunning(this.phase)) {
      await this.gather();
      const hasFailed = await this.round();
      if (hasFailed || this.isDone) this.callFlushListeners();
      if (hasFailed) this.move(this.writer.hasWork ? 'failed' : 'failed-empty');
      else if (this.isDone && !this.isAsked) this.move('done');
      if (isPaused(this.phase)) await this.pause();
    }
    if (this.phase === 'outside') this.callFlushListeners();
  }

  /**
   * Lets the receipts of the last commit be written in one turn, and what has arrived be read in the next. Otherwise 80
   * outstanding messages would go in two groups, of which one always waits for the other: some 40 rows in a commit
   * instead of nearly 80, and a row of the smaller commit costs SQLite a fifth more CPU time.
   */
  private async gather(): Promise<void> {
    await nextTurn();
    await nextTurn();
  }

  /** Reads, then commits; returns true when it failed so often that those who wait were refused. */
  private async round(): Promise<boolean> {
    const { health } = this.writer;
    // Before the commit, which waits for the disk: otherwise every page of a backlog would wait for a commit.
    if (health.isHealthy && !this.writer.isInDoubt) await this.serveReads();
    const fault = await this.writer.write();
    if (fault === 'fenced') this.fence();
    // Whoever waits is not refused: where the message belongs now, it may be stored.
    if (this.phase === 'outside') return false;
    const wasLastTry = this.tries.count(fault);
    const hasFailed = fault !== null && (wasLastTry || !health.isHealthy);
    if (hasFailed) this.writer.refuseWaiting();
    else if (fault === null) health.markHealthy();
    // A disk that takes no messages may still be readable.
    if (!health.isHealthy) await this.serveReads();
    return hasFailed;
  }

  /** Lets some time pass; a new phase ends the pause early. */
  private async pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.clock.after(RETRY_MS, () => this.move('pause-over'));
      this.endPause = () => {
        cancel();
        resolve();
      };
    });
    await nextTurn();
  }

  /**
   * Nothing is left to commit. While the disk takes no messages, rounds go on until it does, except in the last ones.
   */
  private get isDone(): boolean {
    return (this.writer.health.isHealthy || isClosing(this.phase)) && !this.writer.hasWork;
  }

  /** Somebody waits for a read or a flush. */
  private get isAsked(): boolean {
    return this.reads.length > 0 || this.flushListeners.length > 0;
  }

  private fence(): void {
    this.move('fenced');
    if (this.phase === 'outside') this.fenced.emit();
  }

  private readFailed(cause: unknown): ChatError {
    if (this.writer.judge(cause) === 'fenced') this.fence();
    else this.writer.health.markFailing(cause);
    return errors.notRead(cause);
  }

  private async serveReads(): Promise<void> {
    const reads = this.reads;
    this.reads = [];
    await Promise.all(reads.map((read) => read()));
  }

  private callFlushListeners(): void {
    const listeners = this.flushListeners;
    this.flushListeners = [];
    for (const listener of listeners) listener();
  }
}
