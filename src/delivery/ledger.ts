import { Logger } from '@nestjs/common';
import { Counter } from '../connections/counter.js';
import type { Clock } from '../options/clock.js';
import { Emitter } from '../options/emitter.js';
import type { Message } from '../protocol/message.js';
import type { ErrorCode } from '../protocol/wire.js';
import type { MailboxStore, RecordCounts } from './mailbox-store.js';

/**
 * What became of a signal: it was `written` to a connection, was `dropped` as no connection of its recipient could have
 * it at once, or was `limited` as its sender sends too many.
 */
export const SIGNAL_OUTCOMES = ['written', 'dropped', 'limited'] as const;

/** The counters of the promise, as `/chat/stats` shows them. */
export interface LedgerTotals {
  /** Direct messages accepted, with those that an earlier run left in the store. */
  readonly accepted: number;
  readonly confirmed: number;
  /** In the store: not written yet, or written and not confirmed. */
  readonly pending: number;
  /** Accepted and in memory only: on their way to the recipient or to the disk. */
  readonly inFlight: number;
  readonly expired: number;
  readonly purged: number;
  readonly evicted: number;
  /** Replaced by a newer message of their sender with the same topic. */
  readonly replaced: number;
  /** Another node of the cluster has them now, which counts them as accepted. Always 0 with one server. */
  readonly handedOver: number;
  /**
   * Of the accepted, those found in the store: at the start, or after another server had used it. What that server
   * deleted is subtracted.
   */
  readonly recovered: number;
  /** Messages with a `ttl` of 0 that nobody has confirmed. They are not part of the balance: none was accepted. */
  readonly absent: number;
}

/**
 * Counts every direct message that is accepted and every one that ends. It emits an event when one is accepted, stored
 * or confirmed; the store tells of the other ends. At any time
 * accepted = confirmed + pending + inFlight + expired + purged + evicted + replaced + handedOver [protocol 2.3].
 */
export class Ledger {
  /** Broadcasts sent. They are not part of the balance, because they are never stored. */
  broadcasts = 0;
  /** Signals by what became of them. They are not part of the balance either. */
  readonly signals = new Counter<(typeof SIGNAL_OUTCOMES)[number]>();
  private readonly logger = new Logger('Delivery');
  /** A message was accepted: written to its recipient, or committed. */
  readonly accepted = new Emitter<Message>(this.logger, 'accepted');
  /** A message was committed. */
  readonly stored = new Emitter<Message>(this.logger, 'stored');
  /** A message was confirmed; emitted after it was removed from the store, if it was there. */
  readonly confirmed = new Emitter<Omit<Message, 'content'>>(this.logger, 'confirmed');
  /** A message is in the record; emitted once, after the commit. */
  readonly recorded = new Emitter<Message>(this.logger, 'recorded');
  private acceptedHere = 0;
  private absent = 0;
  private inMemory = 0;
  private confirmedInMemory = 0;
  private handedOverInMemory = 0;
  private readonly refusalsByCode = new Map<ErrorCode, number>();
  /** How often the listeners of `waiting` were told of a spell, and how often one of them failed. */
  readonly waiting = { told: 0, failed: 0 };

  constructor(private readonly store: Pick<MailboxStore, 'counts' | 'record' | 'removed'>) {
    store.removed.on((row, reason) => {
      if (reason === 'confirmed') this.confirmed.emit(row);
    });
  }

  /** A message was written to its recipient before it was stored. */
  acceptedLive(message: Message): void {
    this.acceptedHere += 1;
    this.inMemory += 1;
    this.accepted.emit(message);
  }

  /** A message was stored before it was written to anybody. */
  acceptedStored(message: Message): void {
    this.acceptedHere += 1;
    this.accepted.emit(message);
    this.stored.emit(message);
  }

  /** A message in memory was stored as well. The store counts it from now on. */
  movedToStore(message: Message): void {
    this.inMemory -= 1;
    this.stored.emit(message);
  }

  /** A message that was never in the store was confirmed. */
  confirmedLive(message: Message): void {
    this.inMemory -= 1;
    this.confirmedInMemory += 1;
    this.confirmed.emit(message);
  }

  /** A message was the repeat of one that the store has, so it was counted twice. */
  wasRepeat(): void {
    this.acceptedHere -= 1;
    this.inMemory -= 1;
  }

  /** What was in memory only counts for nothing here: another node has these mailboxes. */
  handOver(): void {
    this.handedOverInMemory += this.inMemory;
    this.inMemory = 0;
  }

  /** A frame or a REST call was refused, so its message was never accepted. The room that refuses it calls this. */
  countRefusal(code: ErrorCode): void {
    this.refusalsByCode.set(code, this.refusals(code) + 1);
  }

  countWaiting(outcome: 'told' | 'failed'): void {
    this.waiting[outcome] += 1;
  }

  countBroadcast(): void {
    this.broadcasts += 1;
  }

  countAbsent(): void {
    this.absent += 1;
  }

  /** What has become of recorded messages since the start: recorded = kept + expired + erased. 0 where none is. */
  get record(): Readonly<RecordCounts> {
    return this.store.record?.counts ?? { recorded: 0, expired: 0, erased: 0 };
  }

  /** How many were refused with this code. */
  refusals(code: ErrorCode): number {
    return this.refusalsByCode.get(code) ?? 0;
  }

  totals(): LedgerTotals {
    const { pending, recovered, confirmed, expired, purged, evicted, replaced, handedOver } = this.store.counts;
    return {
      accepted: recovered + this.acceptedHere,
      confirmed: confirmed + this.confirmedInMemory,
      pending,
      inFlight: this.inMemory,
      expired,
      purged,
      evicted,
      replaced,
      handedOver: handedOver + this.handedOverInMemory,
      recovered,
      absent: this.absent,
    };
  }
}

const SAMPLE_MS = 5_000;
const SAMPLES = 12;

/** Reads the ledger every 5 seconds, and returns how fast it grew in the last minute. */
export class RateMeter {
  private samples: { at: number; accepted: number; confirmed: number }[];
  private cancel: () => void;

  constructor(
    private readonly ledger: Ledger,
    private readonly clock: Clock,
  ) {
    this.samples = [this.sample()];
    this.cancel = this.schedule();
  }

  rates(): { acceptedPerSecond: number; confirmedPerSecond: number } {
    const now = this.sample();
    const then = this.samples[0]!;
    const seconds = Math.max(1, (now.at - then.at) / 1000);
    return {
      acceptedPerSecond: (now.accepted - then.accepted) / seconds,
      confirmedPerSecond: (now.confirmed - then.confirmed) / seconds,
    };
  }

  stop(): void {
    this.cancel();
  }

  private sample() {
    const { accepted, confirmed } = this.ledger.totals();
    return { at: this.clock.now(), accepted, confirmed };
  }

  private schedule(): () => void {
    return this.clock.after(SAMPLE_MS, () => {
      this.samples = [...this.samples, this.sample()].slice(-SAMPLES);
      this.cancel = this.schedule();
    });
  }
}
