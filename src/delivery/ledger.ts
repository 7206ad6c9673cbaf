import type { Clock } from '../options/clock.js';
import type { ErrorCode } from '../protocol/chat-error.js';
import type { Message } from '../protocol/message.js';
import type { StoreCounts } from './mailbox-store.js';

/** The counters of the promise, as `/chat/stats` shows them. */
export interface LedgerTotals {
  /** Direct messages taken, with those that an earlier run left in the store. */
  readonly accepted: number;
  readonly confirmed: number;
  /** Committed and waiting, or waiting for a confirmation. */
  readonly pending: number;
  /** Taken and in memory only: on their way to the recipient or to the disk. */
  readonly inFlight: number;
  readonly expired: number;
  readonly purged: number;
  readonly evicted: number;
  /** Of the accepted, those that were found in the store: at the start, or when another server had been in it. What that one took is less. */
  readonly recovered: number;
}

/** Hears of what the ledger counts, as it is counted. It must not throw. */
export interface LedgerListener {
  /** A message was taken: written to its recipient, or committed. */
  onAccepted(message: Message): void;
  /** A message was committed. */
  onStored(message: Message): void;
  /** A message reached its recipient that the store never had. */
  onConfirmed(message: Message): void;
}

/**
 * Counts every direct message that was taken and every end of one. At any time
 * accepted = confirmed + pending + inFlight + expired + purged + evicted [protocol 2.3].
 */
export class Ledger {
  private taken = 0;
  private inMemory = 0;
  private confirmedInMemory = 0;
  private readonly refusalsByCode = new Map<ErrorCode, number>();
  /** Broadcasts taken: no part of the balance, as they are never stored. */
  broadcasts = 0;
  /** Nobody listens unless somebody wants to: it is the path of every message. */
  listener: LedgerListener | null = null;

  constructor(private readonly store: { readonly counts: StoreCounts }) {}

  /** A message was written to its recipient before it was stored. */
  tookLive(message: Message): void {
    this.taken += 1;
    this.inMemory += 1;
    this.listener?.onAccepted(message);
  }

  /** A message was stored before it was written to anybody. */
  tookStored(message: Message): void {
    this.taken += 1;
    this.listener?.onAccepted(message);
    this.listener?.onStored(message);
  }

  /** A message in memory was stored as well: the store counts it from here on. */
  movedToStore(message: Message): void {
    this.inMemory -= 1;
    this.listener?.onStored(message);
  }

  /** A message was confirmed that the store never had. */
  confirmedLive(message: Message): void {
    this.inMemory -= 1;
    this.confirmedInMemory += 1;
    this.listener?.onConfirmed(message);
  }

  /** A message turned out to be the repeat of one that the store has: it was never another one. */
  wasRepeat(): void {
    this.taken -= 1;
    this.inMemory -= 1;
  }

  /** A frame or a REST call was refused: what it brought was never taken. */
  refused(code: ErrorCode): void {
    this.refusalsByCode.set(code, this.refusals(code) + 1);
  }

  tookBroadcast(): void {
    this.broadcasts += 1;
  }

  /** How many were refused with this code. */
  refusals(code: ErrorCode): number {
    return this.refusalsByCode.get(code) ?? 0;
  }

  totals(): LedgerTotals {
    const { pending, recovered, confirmed, expired, purged, evicted } = this.store.counts;
    return {
      accepted: recovered + this.taken,
      confirmed: confirmed + this.confirmedInMemory,
      pending,
      inFlight: this.inMemory,
      expired,
      purged,
      evicted,
      recovered,
    };
  }
}

const SAMPLE_MS = 5_000;
const SAMPLES = 12;

/** Reads the ledger every 5 seconds, and answers how fast it grew in the last minute. */
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
