import { WebSocket } from 'ws';
import { eventually, withDeadline } from './deadline.js';
import type { History, SentMessage } from './history.js';
import type { Closed } from './test-client.js';

/** Connections from one address. */
const PER_ADDRESS = 50;
/** Messages of one connection that are under way without a receipt. */
const OUTSTANDING = 2;

/**
 * A user who reads, acknowledges, and writes to the others in turn. After a reconnect it sends everything without a
 * receipt again.
 */
class Chatter {
  closed: Promise<Closed> | null = null;
  private socket: WebSocket | null = null;
  private connection = '';
  private connections = 0;
  private sent = 0;
  private lastSeq = 0;
  private ackIsDue = false;
  private readonly outstanding = new Map<string, SentMessage>();

  constructor(
    private readonly index: number,
    private readonly crowd: DrainCrowd,
  ) {}

  get isAnswered(): boolean {
    return this.outstanding.size === 0;
  }

  /** Connects, and waits for the welcome. */
  connect(url: string): Promise<void> {
    const localAddress = `127.0.0.${1 + Math.floor(this.index / PER_ADDRESS)}`;
    const socket = new WebSocket(`${url}?user=${nameOf(this.index)}`, ['chat.v1.json'], { localAddress });
    this.socket = socket;
    this.connection = `${nameOf(this.index)}#${(this.connections += 1)}`;
    this.lastSeq = 0;
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    socket.on('error', () => undefined); // 'close' follows.
    return new Promise((resolve) => socket.on('message', (data: Buffer) => this.onFrame(data.toString(), resolve)));
  }

  begin(): void {
    for (const message of this.outstanding.values()) this.send(message);
    this.fill();
  }

  leave(): void {
    this.socket?.close();
  }

  abandon(): void {
    this.socket?.terminate();
  }

  private onFrame(frame: string, onWelcome: () => void): void {
    const { event, data } = JSON.parse(frame);
    if (event === 'welcome') onWelcome();
    else if (event === 'message') this.onMessage(data);
    else if (event === 'receipts') for (const { id, status } of data) this.onReceipt(id, status);
    else if (event === 'exception') this.crowd.history.refused(nameOf(this.index), data.id);
    this.fill();
  }

  /** One acknowledgement for all that came in one turn of the event loop. */
  private onMessage(message: SentMessage & { seq: number; stored: boolean }): void {
    const { connection } = this;
    this.lastSeq = message.seq;
    this.crowd.history.arrived({ ...message, connection });
    if (this.ackIsDue) return;
    this.ackIsDue = true;
    setImmediate(() => {
      this.ackIsDue = false;
      if (this.connection !== connection || this.socket!.readyState !== WebSocket.OPEN) return;
      this.crowd.history.acknowledged(connection, this.lastSeq);
      this.write('ack', { seq: this.lastSeq });
    });
  }

  private onReceipt(id: string, status: string): void {
    this.outstanding.delete(id);
    this.crowd.history.receipted(nameOf(this.index), id, status);
  }

  private fill(): void {
    while (this.crowd.sending && this.outstanding.size < OUTSTANDING) {
      const from = nameOf(this.index);
      const id = `${from}-${(this.sent += 1)}`;
      // Coprime steps: each has different neighbours, and now and then somebody who is never connected.
      const to = nameOf((this.index + this.sent * 37) % (this.crowd.size + 10));
      const message = { id, from, to, content: `${id} says hello` };
      this.outstanding.set(id, message);
      this.send(message);
    }
  }

  private send(message: SentMessage): void {
    if (this.socket!.readyState !== WebSocket.OPEN) return;
    const { id, to, content } = message;
    this.crowd.history.attempted(message);
    this.write('send', { id, to, content });
  }

  private write(event: string, data: unknown): void {
    this.socket!.send(JSON.stringify({ event, data }));
  }
}

function nameOf(index: number): string {
  return `user-${index}`;
}

/** Users who all write to each other. They also write to ten more, who connect only at the end. */
export class DrainCrowd {
  sending = true;
  private readonly chatters: Chatter[];

  constructor(
    readonly size: number,
    readonly history: History,
  ) {
    this.chatters = Array.from({ length: size }, (_, index) => new Chatter(index, this));
  }

  /** Everybody connects, a hundred at a time, and begins to write. */
  async enter(url: string): Promise<void> {
    for (let first = 0; first < this.chatters.length; first += 100) {
      const some = this.chatters.slice(first, first + 100);
      await withDeadline(Promise.all(some.map((chatter) => chatter.connect(url))), () => 'everybody is welcome');
    }
    for (const chatter of this.chatters) chatter.begin();
  }

  /** The close code of each connection, as its client saw it. */
  async endings(): Promise<Closed[]> {
    return Promise.all(this.chatters.map((chatter) => withDeadline(chatter.closed!, () => 'everybody is told')));
  }

  /**
   * Everybody comes back, the ten too, and nobody writes anything new. Resolves when `isOver`, and every message has an
   * outcome.
   */
  async settle(url: string, isOver: () => Promise<boolean>): Promise<void> {
    this.sending = false;
    for (let index = this.size; index < this.size + 10; index += 1) this.chatters.push(new Chatter(index, this));
    await this.enter(url);
    await eventually(
      async () => this.chatters.every((chatter) => chatter.isAnswered) && (await isOver()),
      () => `nothing waits, and everybody has an answer; ${this.history.unanswered} messages have none`,
      30_000,
    );
    for (const chatter of this.chatters) chatter.leave();
    await this.endings();
  }

  abandon(): void {
    for (const chatter of this.chatters) chatter.abandon();
  }
}
