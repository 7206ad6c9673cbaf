import { Logger } from '@nestjs/common';
import type { Links } from '../../../src/cluster/link.js';
import type { ClusterSecret, Membership, MembershipState, View } from '../../../src/cluster/membership.js';
import type { Moment } from '../../../src/options/clock.js';
import { Emitter } from '../../../src/options/emitter.js';
import type { ModelPostgres } from './model-postgres.js';
import type { ModelProcess } from './model-process.js';

const LEASE_MS = 5_000;
const TAKEN_OVER_MS = 6_000;
const BEAT_MS = 1_000;
const HEARD_MS = 3_000;

/** What a beat reads. */
interface Snapshot extends View {
  readonly isMember: boolean;
  readonly wanted: ReadonlyMap<number, number | null>;
}

/** The membership of a node of the model: beats, the lease, takeovers and handovers, as NodeMembership has them. */
export class ModelMembership implements Membership {
  private readonly logger = new Logger('Model');
  readonly changed = new Emitter<View>(this.logger, 'changed');
  readonly acquired = new Emitter<readonly number[]>(this.logger, 'acquired');
  readonly asked = new Emitter<readonly number[]>(this.logger, 'asked');
  readonly fenced = new Emitter<void>(this.logger, 'fenced');
  self = 0;
  view: View = { version: -1, nodes: [], owners: [] };
  private readonly held = new Map<number, 'mine' | 'asked'>();
  private leaseUntil = -Infinity;
  private answeredAt = -Infinity;
  private steadySince = Infinity;
  state: MembershipState = 'starting';

  constructor(
    private readonly process: ModelProcess,
    private readonly postgres: ModelPostgres,
    private readonly links: Links,
    /** Whether the node believes that it may always serve: a fault made on purpose. */
    private readonly ignoresLease: boolean,
  ) {}

  start(): void {
    this.enter();
    this.beatOn();
  }

  join(): Promise<ClusterSecret> {
    throw new Error('the model starts by itself');
  }

  begin(): void {}

  check(): void {
    this.beat();
  }

  yield(): boolean {
    return false;
  }

  get isFresh(): boolean {
    return this.now < this.leaseUntil;
  }

  get holdsLease(): boolean {
    return this.ignoresLease || (this.state === 'member' && (this.isFresh || this.hearsAll));
  }

  databaseNow(): Moment {
    return { at: 1_700_000_000_000 + this.now, errorMs: 0 };
  }

  release(slots: readonly number[]): Promise<void> {
    const { self } = this;
    return new Promise((resolve) => {
      const released = (): void => {
        if (self === this.self) for (const slot of slots) this.held.delete(slot);
        resolve();
        this.beat();
      };
      this.postgres.run(this.process, () => this.postgres.release(self, slots), released);
    });
  }

  leave(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.state = 'closed';
    return Promise.resolve();
  }

  private get now(): number {
    return this.process.time.now;
  }

  private get hearsAll(): boolean {
    const { nodes, version } = this.view;
    if (nodes.length < 2 || this.links.newestVersion > version) return false;
    return nodes.every(({ id }) => id === this.self || this.links.silenceOf(id) < HEARD_MS);
  }

  private enter(): void {
    const sentAt = this.now;
    this.state = 'fenced';
    const join = (): number => this.postgres.join(this.process);
    this.postgres.run(this.process, join, (id) => {
      this.self = id;
      this.state = 'member';
      this.leaseUntil = sentAt + LEASE_MS;
      this.beat();
    });
  }

  private beatOn(): void {
    this.process.after(BEAT_MS, () => {
      if (this.state === 'closed') return;
      this.beat();
      this.beatOn();
    });
  }

  private beat(): void {
    if (this.state !== 'member') return;
    const { self, now: sentAt } = this;
    if (sentAt - this.answeredAt > 2.6 * BEAT_MS) this.steadySince = Infinity;
    const isSteady = sentAt - this.steadySince > 3_000;
    const silent = this.view.nodes.map(({ id }) => id).filter((id) => this.links.silenceOf(id) > 4_000);
    const execute = (): Snapshot => this.execute(self, isSteady ? silent : []);
    this.postgres.run(this.process, execute, (snapshot) => {
      if (self !== this.self || this.state !== 'member') return;
      if (!snapshot.isMember) return this.lose();
      this.leaseUntil = Math.max(this.leaseUntil, sentAt + LEASE_MS);
      this.answeredAt = this.now;
      if (this.steadySince === Infinity) this.steadySince = this.now;
      this.take(snapshot);
    });
  }

  /** In the database. */
  private execute(self: number, silent: readonly number[]): Snapshot {
    const { postgres } = this;
    const row = postgres.nodes.get(self);
    if (row) {
      row.beatAt = this.now;
      for (const [id, other] of postgres.nodes) {
        const isOver = this.now - other.beatAt > TAKEN_OVER_MS && silent.includes(id);
        if (id !== self && (isOver || other.process.state === 'dead')) postgres.takeOver(id);
      }
    }
    const owners: (number | null)[] = [];
    for (const [slot, { owner }] of postgres.slots) owners[slot] = owner;
    const nodes = [...postgres.nodes.keys()].map((id) => ({ id, isLeaving: false, release: 'model' }));
    const wanted = new Map([...postgres.slots].map(([slot, each]) => [slot, each.wanted]));
    return { isMember: row !== undefined, version: postgres.version, nodes, owners, wanted };
  }

  private lose(): void {
    this.held.clear();
    this.leaseUntil = -Infinity;
    this.fenced.emit();
    this.enter();
  }

  private take(snapshot: Snapshot): void {
    if (snapshot.version < this.view.version) return;
    this.view = snapshot;
    const acquired: number[] = [];
    const asked: number[] = [];
    for (const [slot, wanted] of snapshot.wanted) {
      if (snapshot.owners[slot] !== this.self) continue;
      if (!this.held.has(slot)) acquired.push(slot);
      if (this.held.get(slot) !== 'asked') this.held.set(slot, 'mine');
      if (wanted === this.self || this.held.get(slot) === 'asked') continue;
      this.held.set(slot, 'asked');
      asked.push(slot);
    }
    this.changed.emit(snapshot);
    if (acquired.length > 0) this.acquired.emit(acquired);
    if (asked.length > 0) this.asked.emit(asked);
  }
}
