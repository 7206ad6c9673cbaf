import type { StoredMessage } from '../../../src/delivery/mailbox-store.js';
import type { ModelProcess } from './model-process.js';
import type { VirtualTime } from './virtual-time.js';

export interface ModelSlot {
  owner: number | null;
  /** The node that is to have it. */
  wanted: number | null;
}

/** The database of the model: rows of messages, of nodes and of slots. Each operation is one transaction. */
export class ModelPostgres {
  readonly nodes = new Map<number, { readonly process: ModelProcess; beatAt: number }>();
  readonly slots: Map<number, ModelSlot>;
  readonly rows = new Map<string, StoredMessage[]>();
  version = 0;
  isDown = false;
  takeovers = 0;
  private lastId = 0;
  private lastBlock = 0;

  constructor(
    private readonly time: VirtualTime,
    slots: readonly number[],
    private readonly isFenced = true,
  ) {
    this.slots = new Map(slots.map((slot) => [slot, { owner: null, wanted: null }]));
  }

  /**
   * Runs an operation for a process some time later, and hands it the result later again. What was sent is carried out
   * also when the process has died meanwhile. While the database is down, it waits.
   */
  run<Result>(process: ModelProcess, operation: () => Result, then: (result: Result) => void): void {
    const { time } = this;
    const execute = (): void => {
      if (this.isDown) return time.after(500, execute);
      const result = operation();
      process.after(1 + time.chance() * 20, () => then(result));
    };
    time.after(1 + time.chance() * (time.chance() < 0.05 ? 2_000 : 20), execute);
  }

  nextBlock(): number {
    return (this.lastBlock += 1_000_000);
  }

  hasNode(id: number): boolean {
    return !this.isFenced || this.nodes.has(id);
  }

  /** Returns the first row with this identity, or stores this one. */
  insert(row: StoredMessage): StoredMessage {
    const rows = this.rowsOf(row.mailbox);
    const first = rows.find(({ from, id }) => from === row.from && id === row.id);
    if (first) return first;
    rows.push(row);
    rows.sort((one, other) => one.position - other.position);
    return row;
  }

  remove(mailbox: string, position: number): void {
    const rows = this.rowsOf(mailbox);
    const index = rows.findIndex((row) => row.position === position);
    if (index >= 0) rows.splice(index, 1);
  }

  rowsOf(mailbox: string): StoredMessage[] {
    let rows = this.rows.get(mailbox);
    if (!rows) this.rows.set(mailbox, (rows = []));
    return rows;
  }

  join(process: ModelProcess): number {
    const id = (this.lastId += 1);
    this.nodes.set(id, { process, beatAt: this.time.now });
    this.spread();
    return id;
  }

  takeOver(dead: number): void {
    this.takeovers += 1;
    this.nodes.delete(dead);
    for (const slot of this.slots.values()) if (slot.wanted === dead) slot.wanted = slot.owner;
    this.spread();
    this.version += 1;
  }

  release(self: number, released: readonly number[]): void {
    if (!this.nodes.has(self)) return;
    for (const each of released) {
      const slot = this.slots.get(each)!;
      if (slot.owner === self && slot.wanted !== null && this.nodes.has(slot.wanted)) slot.owner = slot.wanted;
    }
    this.version += 1;
  }

  private spread(): void {
    const ids = [...this.nodes.keys()];
    for (const slot of this.slots.values()) {
      if (slot.owner !== null && this.nodes.has(slot.owner)) continue;
      slot.owner = slot.wanted = ids.length > 0 ? this.time.pick(ids) : null;
    }
    this.version += 1;
  }
}
