import { Logger } from '@nestjs/common';
import type { DataSourceOptions } from 'typeorm';
import { POOLED } from '../database/postgres-session.js';
import { StoreError } from '../database/store-file.js';
import { faultOf } from '../offline-messages/store-fault.js';
import { within, type Clock, type Moment } from '../options/clock.js';
import { Emitter } from '../options/emitter.js';
import { RareLog } from '../options/rare-log.js';
import { failedRound, reasonOf } from './failures.js';
import { Hearing } from './hearing.js';
import { Holdings, NO_OWNERS } from './holdings.js';
import { Islands } from './islands.js';
import { insertNode, type NodeSettings } from './joining.js';
import { Lease } from './lease.js';
import type { ClusterSecret, Membership, MembershipState, Peers, View } from './membership.js';
import { MembershipSession } from './membership-session.js';
import { viewOf, viewWithout, type NodeTable, type OtherBeat, type Snapshot } from './node.table.js';
import { Pulse } from './pulse.js';
import { Takeover } from './takeover.js';
import { CLOSE_MS, REFUSED_MS, RETRY_MS, TIMINGS, type Timings } from './timings.js';

/** The states in which the node has a row, as far as it knows. */
const WITH_ROW: ReadonlySet<MembershipState> = new Set(['joined', 'member', 'aside', 'leaving']);

/**
 * The membership of a node, in Postgres. Everything happens in rounds, one after the other, on one session: beat, read
 * what is new, write what this node gives away, and take over from others that have stopped.
 *
 * It does not promise that the node serves what it has: that waits for the store. And the fence of the store, not the
 * lease, keeps a stopped node from changing rows.
 */
export class NodeMembership implements Membership {
  private readonly logger = new Logger('Membership');
  private readonly rareLog: RareLog;
  readonly changed = new Emitter<View>(this.logger, 'changed');
  readonly acquired = new Emitter<readonly number[]>(this.logger, 'acquired');
  readonly asked = new Emitter<readonly number[]>(this.logger, 'asked');
  readonly fenced = new Emitter<void>(this.logger, 'fenced');
  state: MembershipState = 'starting';
  self = 0;
  view: View = { version: 0, nodes: [], owners: NO_OWNERS };
  private readonly session: MembershipSession;
  private readonly pulse: Pulse;
  private readonly lease: Lease;
  private readonly hearing: Hearing;
  private readonly islands: Islands;
  private readonly takeover: Takeover;
  private readonly holdings = new Holdings();
  /** Those who wait until the table says what they have given. */
  private givers: (() => void)[] = [];
  private whenLeft: (() => void) | null = null;
  /** As what it joins, and joins again. */
  private joinsAs: 'joined' | 'member' = 'joined';
  /** The pause after the last try to join again that was refused; twice as long after the next. */
  private refusedMs = RETRY_MS;

  /** `database` are the options of the store's data source. */
  constructor(
    database: DataSourceOptions,
    private readonly settings: NodeSettings,
    private readonly peers: Peers,
    private readonly clock: Clock,
    private readonly timings: Timings = TIMINGS,
  ) {
    this.rareLog = new RareLog(this.logger, clock);
    this.pulse = new Pulse(clock, () => this.round());
    const nudge = () => this.pulse.nudge();
    this.session = new MembershipSession(database, nudge, () => this.onSessionEnd());
    this.lease = new Lease(clock, timings.beatMs, timings.leaseMs);
    this.hearing = new Hearing(clock, timings.beatMs / 2, timings.heardMs, () => this.hearsAll());
    this.islands = new Islands(clock, timings.asideAfterMs, timings.backAfterMs);
    this.takeover = new Takeover(peers, this.lease, timings, () => this.pulse.wake());
  }

  get holdsLease(): boolean {
    return this.isMember && (this.lease.isFresh || this.hearing.isUnbroken());
  }

  databaseNow(): Moment {
    return this.lease.databaseNow();
  }

  async join(): Promise<ClusterSecret> {
    try {
      return await this.enter();
    } catch (error) {
      await this.session.close();
      throw error;
    } finally {
      if (this.isMember) this.pulse.wake();
    }
  }

  begin(): void {
    this.joinsAs = 'member';
    if (this.state === 'joined') this.state = 'member';
    this.pulse.wake();
  }

  check(): void {
    this.pulse.nudge();
  }

  release(slots: readonly number[]): Promise<void> {
    if (!this.isMember) return Promise.resolve();
    this.holdings.give(slots);
    this.pulse.wake();
    return new Promise((resolve) => this.givers.push(resolve));
  }

  leave(): Promise<void> {
    if (!this.isMember) return this.close();
    this.state = 'leaving';
    this.pulse.wake();
    return new Promise((resolve) => (this.whenLeft = resolve));
  }

  yield(): boolean {
    if (this.isMember && this.lease.isFresh) return false;
    if (this.isMember) this.lose('it does not reach Postgres, and another node takes over');
    return true;
  }

  async close(): Promise<void> {
    const hasRow = this.isMember;
    this.state = 'closed';
    await this.pulse.stop();
    this.hearing.stop();
    this.lease.end();
    const { table } = this.session;
    if (hasRow && table) {
      // Without the change, the others take over as from any node that has stopped.
      await table
        .change(this.timings.slotsAtOnce, () => table.remove(this.self))
        .catch((error: unknown) => this.logger.warn(`The others are not told of the stop: ${reasonOf(error)}.`));
    }
    this.holdings.clear();
    this.settleWaiters();
    const closed = within(this.clock, CLOSE_MS, this.session.close(), () => new Error('no answer'));
    await closed.catch((error: unknown) => this.logger.debug(`The node's session can't be ended: ${String(error)}`));
  }

  private get isMember(): boolean {
    return WITH_ROW.has(this.state);
  }

  /** Whoever takes over lets a node that is heard yield first. One that knows no other node is heard by nobody. */
  private hearsAll(): boolean {
    const { nodes, version } = this.view;
    if (nodes.length < 2 || this.peers.newestVersion > version) return false;
    return nodes.every(({ id }) => id === this.self || this.hears(id));
  }

  private hears(node: number): boolean {
    return this.peers.silenceOf(node) < this.timings.heardMs;
  }

  /** Resolves to the pause from its start to the next round, in milliseconds. */
  private async round(): Promise<number> {
    try {
      if (this.state === 'fenced') await this.enter();
      else if (!this.session.table) await this.session.open(this.self);
      await this.beat(this.session.table);
      this.refusedMs = RETRY_MS;
      return this.timings.beatMs;
    } catch (error) {
      if (!['locked', 'refused'].includes(faultOf(error))) this.session.drop(); // A lock of somebody else is no fault.
      if (this.state !== 'closed') this.rareLog.warn(faultOf(error), failedRound(error, this.self, this.isMember));
      const isRefused = this.state === 'fenced' && error instanceof StoreError;
      return isRefused ? (this.refusedMs = Math.min(2 * this.refusedMs, REFUSED_MS)) : RETRY_MS;
    }
  }

  /** Joins with a new id. */
  private async enter(): Promise<ClusterSecret> {
    const { slotsAtOnce, overdueMs } = this.timings;
    const former = this.self;
    this.session.drop();
    const self = await this.session.open(null);
    const table = this.session.table!;
    let secret: ClusterSecret | null = null;
    await table.change(slotsAtOnce, async () => {
      // It has stopped what it did under its former id.
      await table.remove(former);
      secret = await insertNode(table, self, this.settings, this.joinsAs === 'joined', overdueMs, this.logger);
      return true;
    });
    if (this.state === 'closed') await table.change(slotsAtOnce, () => table.remove(self));
    else this.state = this.joinsAs;
    this.self = self;
    this.logger.log(`This is node ${self} of the cluster.`);
    return secret!;
  }

  private async beat(table: NodeTable | null): Promise<void> {
    if (!table) return;
    const sentAt = this.clock.monotonic();
    const beat = await table.beat(this.self, this.islands.unheard);
    if (!this.isOn(table)) return;
    if (!beat) return this.lose('another node took over from it');
    if (beat.pid !== this.session.pid) throw new StoreError(POOLED);
    this.lease.renew(sentAt, beat.now);
    this.hearing.renew();
    if (beat.version !== this.view.version) this.look(await table.read());
    await this.write(table);
    await this.watch(table, beat.others);
  }

  /** Writes what this node gives away, and whether it is leaving. */
  private async write(table: NodeTable): Promise<void> {
    if (!this.isOn(table)) return;
    const { given } = this.holdings;
    const givers = this.givers.splice(0);
    const isLeaving = this.state !== 'member';
    const isSaid = this.view.nodes.some((node) => node.id === this.self && node.isLeaving === isLeaving);
    try {
      if (given.length > 0 || !isSaid) {
        const after = await table.change(this.timings.slotsAtOnce, async () => {
          await table.setLeaving(this.self, isLeaving);
          await table.free(this.self, given);
          return true;
        });
        this.holdings.written(given);
        if (after && this.isOn(table)) this.look(after);
      }
      for (const resolve of givers) resolve();
      const isNobodyThere = this.view.nodes.every((node) => node.isLeaving);
      if (this.state === 'leaving' && (isNobodyThere || this.holdings.size === 0)) this.settleLeave();
    } catch (error) {
      this.givers.push(...givers);
      throw error;
    }
  }

  /** Looks for nodes that have stopped, and for those that this one does not hear. */
  private async watch(table: NodeTable, others: readonly OtherBeat[]): Promise<void> {
    for (const node of this.takeover.suspects(others)) {
      if (!this.isOn(table)) return;
      const after = await this.takeover.run(table, this.self, node);
      if (after && this.isOn(table)) this.look(after);
    }
    if (!this.isOn(table) || (this.state !== 'member' && this.state !== 'aside')) return;
    const staying = this.takeover
      .beating(others)
      .filter(({ id }) => this.view.nodes.some((node) => node.id === id && !node.isLeaving));
    const verdict = this.islands.judge(this.self, this.state === 'aside', staying, (node) => this.hears(node));
    if (verdict === 'stay') return;
    this.state = verdict === 'come-back' ? 'member' : 'aside';
    const what = verdict === 'come-back' ? 'hears the others again' : 'does not hear others that live, and hands over';
    this.logger.warn(`Node ${this.self} ${what}.`);
    this.pulse.wake();
  }

  /** Tells what the table has changed. */
  private look(snapshot: Snapshot): void {
    const isNew = snapshot.version !== this.view.version;
    this.view = viewOf(snapshot);
    const { acquired, asked, lost } = this.holdings.look(snapshot.slots, this.self);
    if (lost.length > 0) return this.lose(`its slots ${lost.slice(0, 10).join(', ')} were taken from it`);
    if (isNew) this.changed.emit(this.view);
    if (acquired.length > 0 && this.isMember) this.acquired.emit(acquired);
    if (asked.length > 0 && this.isMember) this.asked.emit(asked);
    if (this.holdings.given.length > 0) this.pulse.wake();
  }

  /** The node has no row any more. */
  private lose(reason: string): void {
    this.logger.warn(`Node ${this.self} has lost its place: ${reason}.`);
    if (this.state === 'leaving') void this.pulse.stop();
    this.state = this.state === 'leaving' ? 'closed' : 'fenced';
    this.holdings.clear();
    this.settleWaiters();
    this.view = viewWithout(this.view, this.self);
    this.fenced.emit();
    this.changed.emit(this.view);
    this.session.drop();
    this.pulse.wake();
  }

  private onSessionEnd(): void {
    this.lease.end();
    this.islands.reset();
    // A session in which it could not join ends too, and the next one has to wait.
    if (this.isMember) this.pulse.wake();
  }

  private isOn(table: NodeTable): boolean {
    return this.isMember && this.session.table === table;
  }

  private settleWaiters(): void {
    for (const resolve of this.givers.splice(0)) resolve();
    this.settleLeave();
  }

  private settleLeave(): void {
    this.whenLeft?.();
    this.whenLeft = null;
  }
}
