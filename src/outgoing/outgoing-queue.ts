import { Logger } from '@nestjs/common';
import type { QueryRunner } from 'typeorm';
import type { Delivery } from '../delivery/delivery.js';
import { sendAndWait } from '../delivery/send-and-wait.js';
import type { ChatOptions } from '../options/chat.options.js';
import type { Emitter } from '../options/emitter.js';
import { inNoContext } from '../options/no-context.js';
import { RareLog } from '../options/rare-log.js';
import { ChatError } from '../protocol/chat-error.js';
import type { ErrorCode } from '../protocol/wire.js';
import type { OutgoingConnection } from './outgoing-connection.js';
import { requestOf } from './outgoing-message.js';
import { laneOf, type OutgoingTable, type SequencedRow } from './outgoing-table.js';

/** Longest time between two looks at the table, in milliseconds: other processes write there, too. */
const POLL_MS = 1_000;
/** How many rows are in memory at most, and how many bytes of content. */
const MAX_IN_HAND = 500;
const MAX_IN_HAND_BYTES = 16 * 1024 * 1024;
/** How long a lane is held after a refusal, in milliseconds: twice as long each time. */
const FIRST_HOLD_MS = 1_000;
const LONGEST_HOLD_MS = 30_000;

/** An outgoing message that will not be accepted any more. */
export interface OutgoingRefusal {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  /** The code with which it is refused for good; `EXPIRED` when its `ttl` was over before it could be sent. */
  readonly reason: ErrorCode | 'EXPIRED';
}

/** `again`: something happened during a pass, so another one follows. */
type Phase = 'idle' | 'passing' | 'again' | 'stopped';

/** A lane whose first message was refused for now. */
interface Hold {
  readonly until: number;
  readonly ms: number;
}

/**
 * Takes outgoing messages out of the table in the order of insertion, sends each, and deletes its row when its receipt
 * is there. What dies in between is sent again with the same id, which the chat recognises.
 *
 * Messages of one sender to one recipient are a lane: they are sent one after the other, and lanes beside each other. A
 * message that is refused for now holds up its lane alone. One pass after the other does all that concerns the
 * database, on one connection.
 *
 * It does not promise the order of commits: of two transactions that overlap, the one that commits last may be sent
 * last, although it inserted first.
 */
export class OutgoingQueue {
  private readonly logger = new Logger('Outgoing');
  private readonly log: RareLog;
  private phase: Phase = 'stopped';
  private passes: Promise<void> = Promise.resolve();
  private cancelPoll: () => void = () => undefined;
  /** The lanes of which rows are in memory, with the number of these rows. */
  private readonly busy = new Map<string, number>();
  private readonly held = new Map<string, Hold>();
  /** Rows that have to be deleted. */
  private ended: number[] = [];
  /** Lanes that are not busy any more when those rows are deleted. */
  private finished: string[] = [];
  /** Users whose rows are to be deleted, with what is called when that is done and nothing of theirs is being sent. */
  private readonly removals = new Set<{ readonly user: string; done(): void }>();
  private pausedUntil = 0;
  private readonly maxInHand: number;

  constructor(
    private readonly table: OutgoingTable,
    private readonly connection: OutgoingConnection,
    private readonly delivery: Delivery,
    private readonly options: ChatOptions,
    private readonly refused: Emitter<OutgoingRefusal>,
  ) {
    this.log = new RareLog(this.logger, options.clock);
    this.maxInHand = Math.max(1, Math.min(MAX_IN_HAND, Math.floor(MAX_IN_HAND_BYTES / options.maxContentBytes)));
  }

  /** Begins; rejects when the database or the table is not there. */
  async start(): Promise<void> {
    const runner = await this.connection.enter();
    if (runner) await this.table.nextDue(runner);
    this.phase = 'idle';
    this.wake();
  }

  /** There may be something to send. */
  wake(): void {
    if (this.phase === 'passing') this.phase = 'again';
    if (this.phase !== 'idle') return;
    this.cancelPoll();
    this.phase = 'passing';
    this.passes = inNoContext(() => this.run());
  }

  /** Deletes what waits from and to a user. Resolves when that is done, and what was being sent of it has its outcome. */
  removeOf(user: string): Promise<void> {
    return new Promise((done) => {
      this.removals.add({ user, done });
      this.wake();
    });
  }

  /** Sends nothing more. What was sent may still get its receipt. */
  stop(): void {
    this.phase = 'stopped';
    this.cancelPoll();
  }

  /** Deletes the rows of what was sent, and closes the connection. */
  async close(): Promise<void> {
    this.stop();
    await this.passes;
    try {
      const runner = this.ended.length > 0 ? await this.connection.enter() : null;
      if (runner) await this.removeEnded(runner);
    } catch (error) {
      this.logger.warn(`What was sent last is sent again at the next start: ${String(error)}`);
    } finally {
      await this.connection.close();
    }
  }

  private async run(): Promise<void> {
    let pauseMs = POLL_MS;
    do {
      this.move('again', 'passing');
      try {
        pauseMs = await this.pass();
      } catch (error) {
        this.log.error('database', `Outgoing messages wait, as their table can't be used: ${String(error)}`);
        this.connection.abandon();
        pauseMs = POLL_MS;
        this.move('again', 'passing');
      }
    } while (this.is('again'));
    this.move('passing', 'idle');
    if (this.is('idle')) this.poll(pauseMs);
  }

  /** Removes what has ended and begins to send what is ready; returns after how many milliseconds to look again. */
  private async pass(): Promise<number> {
    const runner = await this.connection.enter();
    if (runner) await this.removeEnded(runner);
    await this.removeAsked();
    if (!runner) return POLL_MS;
    const now = this.options.clock.now();
    const due = await this.table.nextDue(runner);
    if (due !== null && due <= now) await this.table.makeReady(now, this.maxInHand, runner);
    if (now >= this.pausedUntil) await this.take(runner, now);
    return due !== null && due > now ? Math.min(POLL_MS, due - now) : POLL_MS;
  }

  private async removeEnded(runner: QueryRunner): Promise<void> {
    // The rows of a finished lane ended before it did.
    const { ended, finished } = this;
    this.ended = [];
    this.finished = [];
    try {
      if (ended.length > 0) await this.table.remove(ended, runner);
    } catch (error) {
      this.ended = [...ended, ...this.ended];
      this.finished = [...finished, ...this.finished];
      throw error;
    }
    for (const lane of finished) this.busy.delete(lane);
  }

  /** Other processes may send the rest of what is in the table. */
  private async removeAsked(): Promise<void> {
    const runner = this.removals.size > 0 ? await this.connection.enterBeside() : null;
    if (!runner) return;
    for (const removal of this.removals) {
      await this.table.removeOf(removal.user, runner);
      // A lane that finishes wakes the queue.
      if ([...this.busy.keys()].some((lane) => lane.split('|').includes(removal.user))) continue;
      this.removals.delete(removal);
      removal.done();
    }
  }

  private async take(runner: QueryRunner, now: number): Promise<void> {
    const waiting = [...this.held].filter(([, { until }]) => until > now).map(([lane]) => lane);
    let room = this.maxInHand;
    for (const rows of this.busy.values()) room -= rows;
    if (room <= 0 || this.is('stopped')) return; // A lane that finishes wakes it.
    const rows = await this.table.ready([...this.busy.keys(), ...waiting], room, runner);
    if (this.is('stopped')) return;
    for (const [lane, ofLane] of lanesOf(rows)) {
      this.busy.set(lane, ofLane.length);
      void this.sendAll(lane, ofLane);
    }
    if (rows.length === room) return;
    for (const [lane, { until }] of this.held) if (until <= now && !this.busy.has(lane)) this.held.delete(lane);
  }

  /** Sends the rows of a lane, one after the other, up to the first that is refused for now. It never rejects. */
  private async sendAll(lane: string, rows: readonly SequencedRow[]): Promise<void> {
    for (const row of rows) {
      if (this.is('stopped') || !(await this.send(lane, row))) break;
      this.ended.push(row.sequence);
      this.wake();
    }
    this.finished.push(lane);
    this.wake();
  }

  /** Returns whether the message has ended: it has its receipt, or is refused for good. */
  private async send(lane: string, row: SequencedRow): Promise<boolean> {
    try {
      const request = requestOf(row, this.options.clock.now());
      if (request) await sendAndWait(this.delivery, request);
      else this.refuse(row, 'EXPIRED', 'its ttl was over before it could be sent');
      this.held.delete(lane);
      return true;
    } catch (error) {
      const isForGood = error instanceof ChatError && !error.temporary;
      if (isForGood) this.refuse(row, error.code, error.message);
      else this.hold(lane, error);
      return isForGood;
    }
  }

  private refuse({ id, sender, recipient }: SequencedRow, reason: OutgoingRefusal['reason'], why: string): void {
    this.log.error(reason, `An outgoing message is deleted without being sent: ${why} (${reason}).`);
    this.refused.emit({ id, from: sender, to: recipient, reason });
  }

  private hold(lane: string, error: unknown): void {
    if (this.is('stopped')) return; // The chat ends, too.
    const now = this.options.clock.now();
    if (error instanceof ChatError && error.code === 'STORE_UNAVAILABLE') {
      this.pausedUntil = now + POLL_MS; // It concerns all lanes.
    } else {
      const last = this.held.get(lane)?.ms ?? FIRST_HOLD_MS / 2;
      const ms = Math.min(LONGEST_HOLD_MS, 2 * last);
      this.held.set(lane, { until: now + ms, ms });
    }
    const [kind, reason] = error instanceof ChatError ? [error.code, error.message] : ['error', String(error)];
    this.log.warn(kind, `An outgoing message waits, and what is behind it: ${reason} (${kind}).`);
  }

  private poll(ms: number): void {
    this.cancelPoll = this.options.clock.after(ms, () => this.wake());
  }

  private is(phase: Phase): boolean {
    return this.phase === phase;
  }

  private move(from: Phase, to: Phase): void {
    if (this.phase === from) this.phase = to;
  }
}

function lanesOf(rows: readonly SequencedRow[]): Map<string, SequencedRow[]> {
  const lanes = new Map<string, SequencedRow[]>();
  for (const row of rows) {
    const lane = laneOf(row);
    const others = lanes.get(lane);
    if (others) others.push(row);
    else lanes.set(lane, [row]);
  }
  return lanes;
}
