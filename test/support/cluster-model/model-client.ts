import type { ClusterModel } from './cluster-model.js';
import { ModelConnection, type ToClient } from './model-connection.js';

/** A message as its sender remembers it until it has the receipt. */
interface Sent {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly content: string;
}

/** Messages without a receipt that a client has at most. */
const OUTBOX = 6;

/**
 * A client of the model: it sends to everybody, confirms what it reads, some of it late, roams and vanishes, and sends
 * again, in order, what has no receipt.
 */
export class ModelClient {
  connection: ModelConnection | null = null;
  readonly outbox: Sent[] = [];
  /** What it has seen of each sender, in order, each once. */
  readonly seen = new Map<string, number[]>();
  /** `to/number` of what has a receipt, and of what was refused: that is sent again as another message. */
  readonly receipted = new Set<string>();
  readonly refused = new Set<string>();
  sentCount = 0;
  /** Reads and confirms at once, and sends no more. */
  isQuiet = false;
  private readonly numbers = new Map<string, number>();
  private acked = 0;
  private expectedSeq = 1;
  private isWelcomed = false;
  private isCaughtUp = false;

  constructor(
    private readonly model: ClusterModel,
    readonly user: string,
  ) {
    this.connect();
    this.act();
    this.notice();
  }

  onFrame(connection: ModelConnection, frame: ToClient): void {
    if (this.connection !== connection) return;
    switch (frame.event) {
      case 'welcome':
        if (this.isWelcomed) this.model.complain(`${this.user} was welcomed twice`);
        this.isWelcomed = true;
        return;
      case 'caught-up':
        if (this.isCaughtUp) this.model.complain(`${this.user} has caught up twice`);
        this.isCaughtUp = true;
        return;
      case 'close':
        if (frame.code === 4409) this.model.complain(`the newest connection of ${this.user} was replaced`);
        return this.reconnect(frame.code === 4409 ? 1_000 : 200);
      case 'receipt':
        return this.settle(frame.id, this.receipted);
      case 'refused':
        this.model.refusals += 1;
        return this.settle(frame.id, this.refused);
      case 'message':
        return this.read(connection, frame.seq, frame.message.from, Number(frame.message.content));
    }
  }

  /** The network tells that the connection is gone. */
  onCut(connection: ModelConnection): void {
    if (this.connection === connection) this.reconnect(50 + this.model.time.chance() * 500);
  }

  /** Leaves the connection, with or without a word. */
  abandon(): void {
    const { connection, model } = this;
    if (!connection) return;
    if (this.isQuiet || model.time.chance() < 0.5) connection.tell(() => connection.node.onClosed(connection));
    this.reconnect(10 + model.time.chance() * 300);
  }

  private connect(): void {
    const { time, nodes } = this.model;
    const ready = nodes.filter((node) => node.isReady);
    if (this.connection) return;
    if (ready.length === 0) return time.after(500, () => this.connect());
    const connection = (this.connection = new ModelConnection(this, time.pick(ready)));
    this.acked = 0;
    this.expectedSeq = 1;
    this.isWelcomed = this.isCaughtUp = false;
    connection.tell(() => connection.node.onConnected(connection));
    for (const sent of this.outbox) this.tellSent(connection, sent);
    if (!this.isQuiet && time.chance() < 0.1) time.after(200 + time.chance() * 1_000, () => this.roam(connection));
  }

  private roam(connection: ModelConnection): void {
    if (this.connection === connection) this.abandon();
  }

  private reconnect(ms: number): void {
    this.connection = null;
    this.model.time.after(ms, () => this.connect());
  }

  private tellSent(connection: ModelConnection, sent: Sent): void {
    connection.tell(() => connection.node.onSent(connection, sent));
  }

  private settle(id: string, into: Set<string>): void {
    const index = this.outbox.findIndex((sent) => sent.id === id);
    const [sent] = index >= 0 ? this.outbox.splice(index, 1) : [];
    if (sent) into.add(`${sent.to}/${sent.content}`);
  }

  private read(connection: ModelConnection, seq: number, from: string, number: number): void {
    const { time } = this.model;
    if (seq !== this.expectedSeq) this.model.complain(`${this.user} got seq ${seq} instead of ${this.expectedSeq}`);
    if (!this.isWelcomed) this.model.complain(`${this.user} got a message before the welcome`);
    this.expectedSeq = seq + 1;
    const list = this.seen.get(from) ?? [];
    if (!list.includes(number)) list.push(number);
    this.seen.set(from, list);
    if (!this.isQuiet && time.chance() > 0.93) return;
    time.after(this.isQuiet || time.chance() < 0.7 ? 5 : time.chance() * 800, () => {
      if (this.connection !== connection) return;
      const upTo = (this.acked = Math.max(this.acked, seq));
      connection.tell(() => connection.node.onAck(connection, upTo));
    });
  }

  /** Notices, after a while, that its node does nothing any more. */
  private notice(): void {
    const { connection, model } = this;
    const { time } = model;
    const isStopped = connection?.process.state === 'stopped';
    if (isStopped && time.now - connection.process.stoppedAt > 2_000 + time.chance() * 8_000) this.abandon();
    else if (connection?.process.state === 'dead') this.onCut(connection);
    time.after(1_000, () => this.notice());
  }

  private act(): void {
    const { time } = this.model;
    if (this.isQuiet) return;
    if (this.connection && this.outbox.length < OUTBOX) {
      for (let left = 1 + Math.floor(time.chance() * 4); left > 0; left -= 1) this.send();
    }
    if (this.connection && time.chance() < 0.02) this.abandon();
    time.after(100 + time.chance() * 600, () => this.act());
  }

  private send(): void {
    const to = this.model.time.pick(this.model.users.filter((user) => user !== this.user));
    const number = (this.numbers.get(to) ?? 0) + 1;
    this.numbers.set(to, number);
    const sent = { id: `${this.user}-${to}-${number}`, from: this.user, to, content: String(number) };
    this.outbox.push(sent);
    this.sentCount += 1;
    if (this.connection) this.tellSent(this.connection, sent);
  }
}
