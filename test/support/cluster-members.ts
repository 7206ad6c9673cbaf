import type { DataSourceOptions } from 'typeorm';
import type { NodeSettings } from '../../src/cluster/joining.js';
import type { ClusterSecret, Peers } from '../../src/cluster/membership.js';
import { NodeMembership } from '../../src/cluster/node-membership.js';
import { SLOTS } from '../../src/offline-messages/slot.js';
import { TIMINGS, type Timings } from '../../src/cluster/timings.js';
import { sessionLockSql } from '../../src/database/postgres-session.js';
import { storeOptions } from '../../src/database/store-options.js';
import type { Clock } from '../../src/options/clock.js';
import { Sessions, watchSessions } from './cluster-sessions.js';
import { WorldTime } from './cluster-time.js';

/** The real times, and more slots at once. */
const QUICK: Timings = { ...TIMINGS, slotsAtOnce: 256 };
/** How much time of the world may pass until what is expected is there, in milliseconds. */
const DEADLINE_MS = 120_000;
/** The machine may be slow as it likes: a reply that is late is no fault of Postgres. In milliseconds. */
const PATIENCE_MS = 60_000;

watchSessions();

/** A clock whose timers stand still while the process is stopped, as after SIGSTOP; time itself goes on. */
class StoppableClock implements Clock {
  private late: (() => void)[] | null = null;

  constructor(private readonly time: Clock) {}

  now(): number {
    return this.time.now();
  }

  monotonic(): number {
    return this.time.monotonic();
  }

  after(ms: number, callback: () => void): () => void {
    return this.time.after(ms, () => (this.late ? this.late.push(callback) : callback()));
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
  readonly clock: StoppableClock;
  readonly sessions: Sessions;
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
    this.clock = new StoppableClock(world.time);
    this.sessions = new Sessions(database);
    this.membership = new NodeMembership(
      database,
      { release: '1.0.0', sessions: 'replace', recordMs: null, options: {}, ...settings },
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
    await this.world.endSessions(this);
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

/**
 * Several nodes in one process, on one database, in a time of their own: it passes while a test waits for something, and
 * never while a node waits for Postgres. After each step the world looks that no slot has two homes.
 */
export class World {
  readonly members: Member[] = [];
  /** Moments at which two nodes believed that they serve one slot. */
  conflicts = 0;

  constructor(
    readonly url: string,
    readonly time: WorldTime,
    private readonly timings: Timings = QUICK,
  ) {}

  /** A node that has not joined. */
  add(timings: Partial<Timings> = {}, settings: Partial<NodeSettings> = {}, url = this.url): Member {
    const options = storeOptions(url);
    const extra = { ...(options.extra as object), query_timeout: PATIENCE_MS, statement_timeout: PATIENCE_MS };
    const patient = { ...options, connectTimeoutMS: PATIENCE_MS, extra } as DataSourceOptions;
    const member = new Member(this, patient, settings, { ...this.timings, ...timings });
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

  /** Lets time pass until the claim is true. */
  async until(
    claim: () => boolean | Promise<boolean>,
    what: () => string = () => claim.toString(),
    ms = DEADLINE_MS,
  ): Promise<void> {
    const end = this.time.monotonic() + ms;
    for (;;) {
      await this.settle();
      this.check();
      if (await claim()) return;
      if (this.time.monotonic() > end) throw new Error(`never true within ${ms} ms: ${what()}; ${this.report()}`);
      await this.time.step();
    }
  }

  /** Lets so many milliseconds pass. */
  passes(ms: number): Promise<void> {
    const end = this.time.monotonic() + ms;
    return this.until(() => this.time.monotonic() >= end);
  }

  /** Lets time pass until the work is done. */
  async during<Result>(work: Promise<Result>): Promise<Result> {
    let state: 'running' | 'done' = 'running';
    const done = () => (state = 'done');
    work.then(done, done);
    await this.until(
      () => state === 'done',
      () => 'the work is done',
    );
    return work;
  }

  /** All slots are served, by these nodes, evenly, and all of them know it. */
  untilEven(members: readonly Member[] = this.living): Promise<void> {
    const shares = () => members.map(({ serving }) => serving.size);
    return this.until(
      () =>
        shares().reduce((sum, share) => sum + share, 0) === SLOTS &&
        Math.max(...shares()) - Math.min(...shares()) <= 1 &&
        members.every(({ membership }) => membership.holdsLease) &&
        new Set(members.map(({ membership }) => membership.view.version)).size === 1,
      () => 'all slots are served evenly',
    );
  }

  /** Waits until the node has read its tables again. */
  async untilChanged(member: Member): Promise<void> {
    const { version } = member.membership.view;
    await this.time.query('UPDATE holdfast_cluster SET version = version + 1');
    await this.until(
      () => member.membership.view.version > version,
      () => `node ${member.id} reads its tables`,
    );
  }

  /** Waits until another node has taken over from this one. */
  async untilGone(member: Member): Promise<void> {
    const { id } = member;
    await this.until(
      async () => (await this.time.query(`SELECT 1 FROM holdfast_node WHERE id = ${id}`)).length === 0,
      () => `somebody takes over from node ${id}`,
    );
  }

  /** Ends the sessions of a node, which learns of it; returns how many there were. */
  async endSessions({ id, sessions }: Member): Promise<number> {
    const ended = await this.time.query<{ pid: number }>(
      `SELECT pid, pg_terminate_backend(pid, ${PATIENCE_MS}) FROM pg_locks
       WHERE locktype = 'advisory' AND objsubid = 1 AND granted
         AND (CAST(CAST(classid AS bigint) AS bit(64)) << 32) | CAST(CAST(objid AS bigint) AS bit(64))
           = CAST(${sessionLockSql(`'membership'`, String(id))} AS bit(64))`,
    );
    await Promise.all(ended.map(({ pid }) => sessions.untilEnded(pid)));
    return ended.length;
  }

  async close(): Promise<void> {
    for (const member of this.members) member.clock.goOn();
    await this.during(Promise.all(this.members.map(({ membership }) => membership.close())));
    if (this.conflicts > 0) throw new Error(`two nodes served one slot, at ${this.conflicts} looks`);
  }

  /** Everybody has the answers of Postgres, and has done what they cause. */
  private async settle(): Promise<void> {
    do {
      await Promise.all(this.members.map(({ sessions }) => sessions.untilIdle()));
      // Promises and the events of sockets come first.
      await new Promise((resolve) => setImmediate(resolve));
    } while (!this.members.every(({ sessions }) => sessions.isIdle));
  }

  private report(): string {
    return this.living
      .map(({ id, serving, membership: { state, view } }) => `${id} ${state} ${serving.size} v${view.version}`)
      .join(', ');
  }
}
