import { WebSocket } from 'ws';
import type { Random } from './crash-random.js';
import type { History, SentMessage } from './history.js';

/** The most messages of one sender that are under way without a receipt. */
const OUTSTANDING = 16;
/** One in this number of contents is long. */
const LONG_EVERY = 50;
const LONG_CHARACTERS = 20_000;

/** How recipients acknowledge. */
export type Habit = 'prompt' | 'silent' | 'dropping' | 'text';

/** The events of a crowd, for its observer. */
export type Happening = 'attempt' | 'receipt' | 'arrival';

/** What a peer knows of its crowd. */
export interface CrowdContext {
  readonly history: History;
  readonly random: Random;
  readonly recipients: readonly string[];
  /** Nobody has seen the server end. */
  readonly running: boolean;
  /** Nothing new is sent and everybody acknowledges. */
  readonly ending: boolean;
  onHappening(happening: Happening): void;
  onOpened(): void;
  onClosed(): void;
}

/** A user of the crowd, on one connection at a time. */
abstract class Peer {
  protected socket: WebSocket | null = null;
  protected connection = '';
  private connections = 0;
  private cutting = false;

  constructor(
    readonly user: string,
    protected readonly crowd: CrowdContext,
    private readonly protocols: string[],
  ) {}

  connect(url: string): void {
    const socket = new WebSocket(`${url}?user=${this.user}`, this.protocols);
    this.socket = socket;
    this.connection = `${this.user}#${(this.connections += 1)}`;
    this.crowd.onOpened();
    socket.on('open', () => this.onOpen());
    socket.on('message', (data: Buffer) => this.onFrame(data.toString()));
    socket.on('ping', () => this.onPing());
    socket.on('error', () => undefined); // 'close' follows.
    socket.on('close', (code, reason) => {
      if (this.cutting) this.cutting = false;
      else if (this.crowd.running) {
        this.crowd.history.unforeseen(`the server closed ${this.connection} with ${code} ${reason.toString()}`);
      }
      this.crowd.onClosed();
      if (this.crowd.running) this.connect(url);
    });
  }

  leave(): void {
    this.socket!.close();
  }

  abandon(): void {
    this.socket?.terminate();
  }

  /** Terminates the connection without a close frame, and connects again. */
  protected cut(): void {
    this.cutting = true;
    this.socket!.terminate();
  }

  protected write(event: string, data: unknown): void {
    this.socket!.send(JSON.stringify({ event, data }));
  }

  protected onOpen(): void {}

  protected onPing(): void {}

  protected abstract onFrame(frame: string): void;
}

/**
 * Keeps a number of messages under way, to everybody in turn. After a reconnect it sends the messages without a receipt
 * again, with the same ids and in the same order.
 */
export class Sender extends Peer {
  private sent = 0;
  private readonly outstanding = new Map<string, SentMessage>();

  constructor(user: string, crowd: CrowdContext) {
    super(user, crowd, ['chat.v1.json']);
  }

  get isAnswered(): boolean {
    return this.outstanding.size === 0;
  }

  protected override onOpen(): void {
    for (const message of this.outstanding.values()) this.send(message);
    this.fill();
  }

  protected onFrame(frame: string): void {
    const { event, data } = JSON.parse(frame);
    if (event === 'receipts') for (const { id, status } of data) this.onReceipt(id, status);
    else if (event === 'exception') {
      this.outstanding.delete(data.id);
      this.crowd.history.refused(this.user, data.id);
    }
    this.fill();
  }

  private onReceipt(id: string, status: string): void {
    this.outstanding.delete(id);
    this.crowd.history.receipted(this.user, id, status);
    this.crowd.onHappening('receipt');
  }

  private fill(): void {
    while (!this.crowd.ending && this.crowd.running && this.outstanding.size < OUTSTANDING) {
      const message = this.nextMessage();
      this.outstanding.set(message.id, message);
      this.send(message);
    }
  }

  private send(message: SentMessage): void {
    const { id, to, content } = message;
    this.crowd.history.attempted(message);
    this.write('send', { id, to, content });
    this.crowd.onHappening('attempt');
  }

  // A text reader sees only the content, so the content has to say who sent what.
  private nextMessage(): SentMessage {
    const { random, recipients } = this.crowd;
    const id = `${this.user}-${(this.sent += 1)}`;
    const length = random.between(1, LONG_EVERY) === 1 ? LONG_CHARACTERS : random.between(0, 200);
    return {
      id,
      from: this.user,
      to: random.pick(recipients),
      content: `${this.user} ${id} ${'é|\n'.repeat(length / 3)}`,
    };
  }
}

/** Reads, and acknowledges according to its habit. */
export class Recipient extends Peer {
  private lastSeq = 0;
  private ackIsDue = false;
  private readsLeft = Infinity;

  constructor(
    user: string,
    crowd: CrowdContext,
    private readonly habit: Habit,
  ) {
    super(user, crowd, habit === 'text' ? [] : ['chat.v1.json']);
  }

  protected override onOpen(): void {
    this.lastSeq = 0;
    this.readsLeft = this.habit === 'dropping' ? this.crowd.random.between(1, 40) : Infinity;
    this.ackIsDue = false;
  }

  /** `ws` has answered the ping with a pong by then. */
  protected override onPing(): void {
    if (this.habit === 'text') this.crowd.history.acknowledged(this.connection);
  }

  protected onFrame(frame: string): void {
    if (this.habit === 'text') this.readText(frame);
    else this.readJson(frame);
  }

  private readText(frame: string): void {
    const [, time, content] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z:)?(.*)$/s.exec(frame)!;
    const [from = '', id = ''] = content!.split(' ');
    const { connection, user: to } = this;
    this.crowd.history.arrived({ connection, seq: null, id, from, to, content: content!, stored: time !== undefined });
    this.crowd.onHappening('arrival');
  }

  private readJson(frame: string): void {
    const { event, data } = JSON.parse(frame);
    if (event !== 'message') return;
    this.lastSeq = data.seq;
    this.crowd.history.arrived({ ...data, connection: this.connection });
    this.crowd.onHappening('arrival');
    if (this.habit === 'prompt' || this.crowd.ending) this.acknowledge();
    if (!this.crowd.ending && (this.readsLeft -= 1) === 0) this.cut();
  }

  /** One acknowledgement for all that came in one turn of the event loop. */
  private acknowledge(): void {
    if (this.ackIsDue) return;
    this.ackIsDue = true;
    const { connection } = this;
    setImmediate(() => {
      if (this.connection !== connection || this.socket!.readyState !== WebSocket.OPEN) return;
      this.ackIsDue = false;
      this.crowd.history.acknowledged(connection, this.lastSeq);
      this.write('ack', { seq: this.lastSeq });
    });
  }
}
