import { randomUUID } from 'node:crypto';
import { eventually, withDeadline } from '../support/deadline.js';
import type { JsonFrame } from '../../src/testing/test-client.js';
import { TestClient, type Closed } from '../support/test-client.js';

interface Arrived {
  readonly from: string;
  readonly id: string;
  readonly content: string;
}

/** Somebody at the other end who speaks the protocol by hand: confirms at once, and keeps what came. */
export class ChatPeer {
  readonly arrived: Arrived[] = [];
  /** The signals that came, each as its sender and its kind. */
  readonly signals: string[] = [];
  private readonly receipts = new Map<string, (status: string) => void>();

  private constructor(
    readonly name: string,
    private readonly client: TestClient,
  ) {
    client.listen((frame) => this.read(JSON.parse(frame)));
  }

  /** Connects to a socket such as `ws://127.0.0.1:34567/chat`. */
  static async connect(socketUrl: string, name: string): Promise<ChatPeer> {
    return new ChatPeer(name, await TestClient.open(`${socketUrl}?user=${name}`, ['chat.v1.json']));
  }

  get contents(): string[] {
    return this.arrived.map(({ content }) => content);
  }

  get closed(): Promise<Closed> {
    return this.client.closed;
  }

  /** Sends, and resolves to the status of the receipt. */
  send(to: string, content: string): Promise<string> {
    const id = randomUUID();
    const receipt = new Promise<string>((resolve) => this.receipts.set(id, resolve));
    this.client.sendJson('send', { to, content, id });
    return withDeadline(receipt, () => `a receipt of ${content} for ${this.name}`, 30_000);
  }

  signal(to: string, kind: string, data?: unknown): void {
    this.client.sendJson('signal', { to, kind, data });
  }

  async until(count: number): Promise<void> {
    await eventually(
      () => this.arrived.length >= count,
      () => `${count} messages for ${this.name}; what came: ${JSON.stringify(this.contents)}`,
    );
  }

  async close(): Promise<void> {
    this.client.socket.close();
    await this.client.closed;
  }

  private read({ event, data }: JsonFrame): void {
    if (event === 'message') {
      const { from, id, content, seq } = data as JsonFrame<'message'>['data'];
      this.arrived.push({ from, id, content });
      this.client.sendJson('ack', { seq });
    } else if (event === 'signal') {
      const { from, kind } = data as JsonFrame<'signal'>['data'];
      this.signals.push(`${from} ${kind}`);
    } else if (event === 'receipts') {
      for (const { id, status } of data as JsonFrame<'receipts'>['data']) this.receipts.get(id)?.(status);
    }
  }
}
