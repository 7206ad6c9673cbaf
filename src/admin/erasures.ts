import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import { DeliveryService } from '../delivery/delivery.service.js';
import { Nodes, type Call } from '../nodes/nodes.js';
import { SLOTS } from '../offline-messages/slot.js';
import { OfflineMessageService } from '../offline-messages/offline-message.service.js';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { RareLog } from '../options/rare-log.js';
import { errors } from '../protocol/chat-error.js';
import { CloseCode } from '../protocol/close-code.js';
import { ErasureTable, type Authored, type OpenErasure } from '../record/erasure.table.js';
import { RecordErasure } from '../record/record-erasure.js';
import { WholeChat, type ErasedCounts } from './whole-chat.js';

/** What became of an erasure. */
export interface ErasureResult extends ErasedCounts {
  /** False when it takes longer than 10 s: then it goes on by itself, whatever dies, and the counts are 0. */
  readonly done: boolean;
}

/** What a node has done of an erasure, and the slots of which it has removed what waited. */
interface Part {
  readonly purged: number;
  readonly slots: readonly number[];
}

const RUN: Call<OpenErasure, ErasedCounts> = { name: 'erase' };
const LEAVE: Call<string, null> = { name: 'erase-leave' };
const PURGE: Call<string, Part> = { name: 'erase-purge' };

/** How long the caller waits, and how long a node may take for an answer, in milliseconds. */
const PATIENCE_MS = 10_000;
/** Pause before something is tried again, in milliseconds. */
const RETRY_MS = 250;
/** How long a client may take to close its connection, and how often that is looked at, in milliseconds. */
const CLOSING_MS = 1_000;
const LOOK_MS = 10;
const REASON = 'this user was erased';
const NOTHING: ErasedCounts = { purged: 0, recorded: 0 };
/** Results that are kept for an asker who has not heard yet. */
const MAX_RESULTS = 100;

/**
 * Erases users: an erasure is a row in the store until it is done. Who was asked asks the home of the user until it has
 * done it, and so does every process that finds the row when it starts. The home has all nodes close the user's
 * connections, then all homes remove what waits from and to the user, and changes the record itself. All of it can be
 * repeated.
 *
 * What is accepted meanwhile is erased or stays, as a new message. Not erased are backups and logs, and what others have
 * on their devices.
 */
@Injectable()
export class Erasures implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('Erasures');
  private readonly rareLog: RareLog;
  private readonly table: ErasureTable;
  private readonly record: RecordErasure;
  /** What is asked of the home, by the id of the erasure; null when this process stops first. */
  private readonly asked = new Map<string, Promise<ErasedCounts | null>>();
  /** What this home does, one after the other. */
  private readonly running = new Map<string, Promise<ErasedCounts>>();
  private last: Promise<unknown> = Promise.resolve();
  private readonly results = new Map<string, ErasedCounts>();
  private looking: Promise<void> | null = null;
  private readonly stopped = new AbortController();
  private readonly alsoLeave: ((user: string) => Promise<void>)[] = [];

  constructor(
    @Inject(Nodes) private readonly nodes: Nodes,
    @Inject(WholeChat) private readonly chat: WholeChat,
    @Inject(DeliveryService) private readonly home: DeliveryService,
    @Inject(OfflineMessageService) private readonly store: OfflineMessageService,
    @Inject(CHAT_OPTIONS) private readonly options: ChatOptions,
  ) {
    this.rareLog = new RareLog(this.logger, options.clock);
    this.table = new ErasureTable(store.access);
    this.record = new RecordErasure(store.access);
    nodes.handle(RUN, (erasure) => this.runHere(erasure));
    nodes.handle(LEAVE, (user) => this.leaveHere(user));
    nodes.handle(PURGE, (user) => this.purgeHere(user));
  }

  /** Goes on with what an earlier run has left, and with what another node has left when its slots come here. */
  onApplicationBootstrap(): void {
    this.store.node?.acquired.on(() => this.look());
    this.look();
  }

  onModuleDestroy(): void {
    this.stopped.abort(errors.goingAway());
  }

  /** Has something removed of a user before the mailboxes are: what would still be sent. */
  before(removal: (user: string) => Promise<void>): void {
    this.alsoLeave.push(removal);
  }

  /** Erases a user. Rejects with STORE_UNAVAILABLE when the store can't note it; then nothing happens. */
  async erase(user: string, authored: Authored): Promise<ErasureResult> {
    const { clock } = this.options;
    const erasure = { id: randomUUID(), user, authored };
    await this.table.add(erasure, clock.now());
    let cancel = () => undefined as void;
    const late = new Promise<null>((resolve) => (cancel = clock.after(PATIENCE_MS, () => resolve(null))));
    const counts = await Promise.race([this.ask(erasure), late]).finally(cancel);
    return counts === null ? { done: false, ...NOTHING } : { done: true, ...counts };
  }

  private look(): void {
    // Whoever reads the rows asks for all of them, so those that it reads now are enough.
    this.looking ??= this.askForAll().finally(() => (this.looking = null));
  }

  /** It never rejects. */
  private async askForAll(): Promise<void> {
    const open = await this.insist(() => this.table.open());
    for (const erasure of open ?? []) void this.ask(erasure);
  }

  private ask(erasure: OpenErasure): Promise<ErasedCounts | null> {
    const { id, user } = erasure;
    let asked = this.asked.get(id);
    if (!asked) {
      const run = () => this.nodes.atHome(user, RUN, erasure, PATIENCE_MS);
      asked = this.insist(run).finally(() => this.asked.delete(id));
      this.asked.set(id, asked);
    }
    return asked;
  }

  /** Tries until it succeeds; resolves to null when this process stops first. It never rejects. */
  private async insist<Result>(run: () => Promise<Result>): Promise<Result | null> {
    while (!this.stopped.signal.aborted) {
      try {
        return await run();
      } catch (error) {
        if (this.stopped.signal.aborted) break;
        this.rareLog.warn('later', `An erasure can't go on yet: ${String(error)}`);
        await this.pause(RETRY_MS);
      }
    }
    return null;
  }

  private runHere(erasure: OpenErasure): Promise<ErasedCounts> {
    const { id } = erasure;
    let running = this.running.get(id);
    if (!running) {
      running = this.last.then(() => this.run(erasure)).finally(() => this.running.delete(id));
      this.running.set(id, running);
      this.last = running.catch(() => undefined); // Whoever asked hears of it.
    }
    return running;
  }

  private async run({ id, user, authored }: OpenErasure): Promise<ErasedCounts> {
    if (!(await this.table.isOpen(id))) return this.results.get(id) ?? NOTHING;
    await this.untilAll(user, () => this.nodes.all(LEAVE, user, PATIENCE_MS));
    const purged = await this.purge(user);
    const recorded = await this.record.run({ id, user, authored }, this.options.clock.now());
    await this.table.remove(id);
    if (this.store.record) this.store.record.counts.erased += recorded;
    const counts = { purged, recorded };
    this.results.set(id, counts);
    if (this.results.size > MAX_RESULTS) this.results.delete(this.results.keys().next().value!);
    this.logger.log(`A user was erased: ${purged} messages that waited, ${recorded} of the record.`);
    this.chat.erased.emit({ user, authored, ...counts });
    return counts;
  }

  /** Has all homes remove what waits. A slot counts when its owner of that time has done it: what comes later is new. */
  private async purge(user: string): Promise<number> {
    const slots = new Set<number>();
    let purged = 0;
    await this.untilAll(user, async () => {
      const { results, missing } = await this.nodes.all(PURGE, user, PATIENCE_MS);
      for (const part of results) {
        purged += part.purged;
        for (const slot of part.slots) slots.add(slot);
      }
      const isComplete = this.store.access.slots === null || slots.size === SLOTS;
      return { missing: isComplete ? missing : [...missing, -1] };
    });
    return purged;
  }

  /** Asks all nodes until none is missing. Rejects when this process stops, or another node is the user's home. */
  private async untilAll(user: string, ask: () => Promise<{ readonly missing: readonly number[] }>): Promise<void> {
    for (;;) {
      this.stopped.signal.throwIfAborted();
      const { cluster } = this.nodes;
      if (cluster && cluster.homeOf(user) !== cluster.self) throw errors.nodeSilent();
      if ((await ask()).missing.length === 0) return;
      await this.pause(RETRY_MS);
    }
  }

  /** Closes the connections of a user, and forgets when that user was last seen, which the close has noted. */
  private async leaveHere(user: string): Promise<null> {
    const { options, stopped } = this;
    const { connections } = this.chat;
    const open = connections.ofUser(user);
    for (const connection of open) connection.revoke(CloseCode.ADMINISTRATOR, REASON);
    const end = options.clock.monotonic() + CLOSING_MS;
    const isThere = () => open.filter(({ id }) => connections.get(id) !== undefined);
    for (let left = isThere(); left.length > 0; left = isThere()) {
      stopped.signal.throwIfAborted();
      if (options.clock.monotonic() > end) for (const late of left) late.abandon(CloseCode.ADMINISTRATOR, REASON);
      await this.pause(LOOK_MS);
    }
    await this.store.lastSeen.forget(user);
    for (const leave of this.alsoLeave) await leave(user);
    return null;
  }

  /** What is in memory is committed first, so that the rows are all there is. */
  private async purgeHere(user: string): Promise<Part> {
    const { slots } = this.store.access;
    const before = slots?.list ?? [];
    await this.home.settleUser(user, this.stopped.signal);
    const purged = await this.store.userRemoval.purge(user);
    // A slot that has gone meanwhile is its new owner's to clear.
    const after = new Set(slots?.list);
    return { purged, slots: before.filter((slot) => after.has(slot)) };
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.stopped;
      const end = () => {
        cancel();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const cancel = this.options.clock.after(ms, end);
      signal.addEventListener('abort', end, { once: true });
    });
  }
}
