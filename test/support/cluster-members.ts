import type { DataSourceOptions } from 'typeorm';
import type { NodeSettings } from '../../src/cluster/joining.js';
import type { ClusterSecret, Peers } from '../../src/cluster/membership.js';
import { NodeMembership } from '../../src/cluster/node-membership.js';
import { SLOTS } from '../../src/offline-messages/slot.js';
import { TIMINGS, type Timings } from '../../src/cluster/timings.js';
import { sessionLockSql } from '../../src/database/postgres-session.js';
import { storeOptions } from '../../src/database/store-options.js';
import { systemClock, type Clock } from '../../src/options/clock.js';
import { eventually } from './deadline.js';

/** A tenth of the real times, and more slots at once: rules hold at any scale. */
const QUICK: Timings = {
  ...TIMINGS,
  beatMs: 100,
  leaseMs: 500,
  overdueMs: 600,
  heardMs: 300,
  silentMs: 400,
  steadyMs: 300,
  asideAfterMs: 500,
  backAfterMs: 1_000,
  slotsAtOnce: 256,
};

/** A clock whose timers stand still while the process is stopped, as after SIGSTOP; time itself goes on. */
class StoppableClock implements Clock {
  private late: (() => void)[] | null = null;

  now(): number {
    return systemClock.now();
  }

  monotonic(): number {
    return systemClock.monotonic();
  }

  after(ms: number, callback: () => void): () => void {
    return systemClock.after(ms, () => (this.late ? this.late.push(callback) : callback()));
  }

  stop(): void {
    this.late ??= [];
  }

  get isStopped(): boolean {
    return this.late !== null;
  }

  /** What became due meanwhile happens now. */
  goOn(): void {
    const late = this.late ?? [];
    this.late = null;
    for (const callback of late) callback();
  }
}

/** A node of a test: its membership, and what it believes. */
export class Member implements Peers {
  readonly clock = new StoppableClock();
  readonly membership: NodeMembership;
  /** The slots that it serves. */
  readonly serving = new Set<number>();
  secret: ClusterSecret | null = null;
  fencings = 0;
  /** How many slots it was asked for at once, at most. */
  mostAsked = 0;
  /** Hands over what it is asked for by itself. */
  isObliging = true;
  private state: 'living' | 'dead' = 'living';
  /** Since when it hears nothing from a node, by that node. */
  private readonly silences = new Map<Member, number>();

  constructor(
    private readonly world: World,
    database: DataSourceOptions,
    settings: Partial<NodeSettings>,
    timings: Timings,
  ) {
    this.membership = new NodeMembership(
      database,
      { release: '1.0.0', sessions: 'replace', options: {}, ...settings },
      this,
      this.clock,
      timings,
    );
    this.membership.acquired.on((slots) => {
      for (const slot of slots) this.serving.add(slot);
      world.check();
    });
    this.membership.asked.on((slots) => {
      this.mostAsked = Math.max(this.mostAsked, slots.length);
      if (this.isObliging) void this.handOver(slots);
    });
    this.membership.fenced.on(() => {
      this.fencings += 1;
      this.serving.clear();
    });
  }

  get id(): number {
    return this.membership.self;
  }

  get isDead(): boolean {
    return this.state === 'dead';
  }

  /** As after SIGSTOP: nobody hears it, and it does nothing. */
  stop(): void {
    this.clock.stop();
    this.deafen();
  }

  goOn(): void {
    if (!this.isStopped) return;
    this.clock.goOn();
    for (const other of this.world.members) if (other !== this) this.join(other);
  }

  get isStopped(): boolean {
    return this.clock.isStopped;
  }

  handOver(slots: readonly number[]): Promise<void> {
    for (const slot of slots) this.serving.delete(slot);
    return this.membership.release(slots);
  }

  /** Both hear each other no more. */
  cut(other: Member): void {
    this.silences.set(other, this.clock.monotonic());
    other.silences.set(this, this.clock.monotonic());
  }

  join(other: Member): void {
    this.silences.delete(other);
    other.silences.delete(this);
  }

  /** It is gone without a word: its session ends, and nobody hears it. */
  async die(): Promise<void> {
    this.state = 'dead';
    this.stop();
    await this.world.endSessions(this.id);
  }

  private deafen(): void {
    for (const other of this.world.members) if (other !== this) this.cut(other);
  }

  silenceOf(node: number): number {
    const other = this.world.members.find(({ id }) => id === node);
    if (!other) return Infinity;
    const since = this.silences.get(other);
    return since === undefined ? 0 : this.clock.monotonic() - since;
  }

  get newestVersion(): number {
    const heard = this.world.members.filter((other) => other !== this && !this.silences.has(other));
    return Math.max(0, ...heard.map(({ membership }) => membership.view.version));
  }

  async askToYield(node: number): Promise<boolean> {
    const other = this.world.members.find(({ id }) => id === node);
    if (!other || this.silences.has(other)) throw new Error('not heard');
    return other.membership.yield();
  }
}

/** Several nodes in one process, on one database. It watches all the time that no slot has two homes. */
export class World {
  readonly members: Member[] = [];
  /** Moments at which two nodes believed that they serve one slot. */
  conflicts = 0;
  private readonly watch = setInterval(() => this.check(), 10);

  constructor(
    readonly url: string,
    private readonly query: (sql: string) => Promise<unknown[]>,
    private readonly timings: Timings = QUICK,
  ) {}

  /** A node that has not joined. */
  add(timings: Partial<Timings> = {}, settings: Partial<NodeSettings> = {}, url = this.url): Member {
    const member = new Member(this, storeOptions(url), settings, { ...this.timings, ...timings });
    this.members.push(member);
    return member;
  }

  async start(...given: Parameters<World['add']>): Promise<Member> {
    const member = this.add(...given);
    member.secret = await member.membership.join();
    member.membership.begin();
    return member;
  }

  get living(): Member[] {
    return this.members.filter(({ isDead, membership }) => !isDead && membership.state !== 'closed');
  }

  check(): void {
    const homes = new Set<number>();
    for (const member of this.living) {
      if (!member.membership.holdsLease) continue;
      for (const slot of member.serving) {
        if (homes.has(slot)) this.conflicts += 1;
        homes.add(slot);
      }
    }
  }

  /** All slots are served, by these nodes, evenly, and all of them know it. */
  async untilEven(members: readonly Member[] = this.living, ms?: number): Promise<void> {
    const shares = () => members.map(({ serving }) => serving.size);
    await eventually(
      () =>
        shares().reduce((sum, share) => sum + share, 0) === SLOTS &&
        Math.max(...shares()) - Math.min(...shares()) <= 1 &&
        members.every(({ membership }) => membership.holdsLease) &&
        new Set(members.map(({ membership }) => membership.view.version)).size === 1,
      () =>
        `all slots are served evenly; ${members
          .map(({ id, serving, membership: { state, view } }) => `${id} ${state} ${serving.size} v${view.version}`)
          .join(', ')}`,
      ms,
    );
  }

  /** Waits until the node has read its tables again. */
  async untilChanged(member: Member): Promise<void> {
    const { version } = member.membership.view;
    await this.query('UPDATE holdfast_cluster SET version = version + 1');
    await eventually(
      () => member.membership.view.version > version,
      () => `node ${member.id} reads its tables`,
    );
  }

  /** Waits until another node has taken over from this one. */
  async untilGone(member: Member): Promise<void> {
    const { id } = member;
    await eventually(
      async () => (await this.query(`SELECT 1 FROM holdfast_node WHERE id = ${id}`)).length === 0,
      () => `somebody takes over from node ${id}`,
    );
  }

  endSessions(id: number): Promise<unknown[]> {
    return this.query(
      `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
         AND (CAST(CAST(classid AS bigint) AS bit(64)) << 32) | CAST(CAST(objid AS bigint) AS bit(64))
           = CAST(${sessionLockSql(`'membership'`, String(id))} AS bit(64))`,
    );
  }

  async close(): Promise<void> {
    clearInterval(this.watch);
    for (const member of this.members) member.clock.goOn();
    await Promise.all(this.members.map(({ membership }) => membership.close()));
    if (this.conflicts > 0) throw new Error(`two nodes served one slot, at ${this.conflicts} looks`);
  }
}
