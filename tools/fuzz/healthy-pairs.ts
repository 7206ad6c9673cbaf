import { WebSocket } from 'ws';

/** Milliseconds between a receipt and the next message. */
const PAUSE_MS = 5;

/** Contents of random length, so that frames of many sizes are between those of the fuzz. */
function contentOf(id: string, number: number): string {
  return `${id} \u{1f642} ${'x'.repeat(number % 300)}`;
}

/** A client that does everything right, and records broken promises. */
class HealthyClient {
  sent = 0;
  receipts = 0;
  received = 0;
  worstReceiptMs = 0;
  readonly faults: string[] = [];
  private outstanding: { id: string; at: number } | null = null;
  private lastNumber = 0;
  private chatting = true;
  private readonly socket: WebSocket;
  readonly opened: Promise<void>;

  constructor(
    url: string,
    private readonly user: string,
    private readonly partner: string,
  ) {
    this.socket = new WebSocket(`${url}?user=${user}`, ['chat.v1.json']);
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', resolve);
      this.socket.once('error', reject);
    });
    this.socket.on('error', () => undefined); // 'close' follows.
    this.socket.on('message', (data: Buffer) => this.onFrame(JSON.parse(data.toString())));
    this.socket.on('close', (code, reason) => {
      if (code !== 1005) this.faults.push(`${user} was closed with ${code} ${reason.toString()}`);
    });
  }

  get isAnswered(): boolean {
    return this.outstanding === null;
  }

  chat(): void {
    if (!this.chatting || this.socket.readyState !== WebSocket.OPEN) return;
    this.sent += 1;
    const id = `${this.user}-${this.sent}`;
    this.outstanding = { id, at: performance.now() };
    this.write('send', { to: this.partner, content: contentOf(id, this.sent), id });
  }

  stopChatting(): void {
    this.chatting = false;
  }

  close(): void {
    this.socket.close();
  }

  private write(event: string, data: unknown): void {
    this.socket.send(JSON.stringify({ event, data }));
  }

  // The frames come from the server. Their content is checked where it is used.
  private onFrame({ event, data }: { event: string; data: Record<string, unknown> }): void {
    if (event === 'receipts') for (const { id } of data as unknown as { id: string }[]) this.onReceipt(id);
    else if (event === 'message') this.onMessage(data);
    else if (event === 'exception') this.faults.push(`${this.user} was refused: ${JSON.stringify(data)}`);
  }

  private onReceipt(id: string): void {
    if (this.outstanding?.id !== id) return void this.faults.push(`${this.user} got a receipt for ${id}, unasked`);
    this.worstReceiptMs = Math.max(this.worstReceiptMs, performance.now() - this.outstanding.at);
    this.outstanding = null;
    this.receipts += 1;
    setTimeout(() => this.chat(), PAUSE_MS);
  }

  private onMessage(data: Record<string, unknown>): void {
    if (data['seq'] !== undefined) this.write('ack', { seq: data['seq'] });
    if (data['from'] !== this.partner) return; // A broadcast of the fuzz, or a message that it sent here.
    this.received += 1;
    const due = `${this.partner}-${this.lastNumber + 1}`;
    const id = String(data['id']);
    this.lastNumber = Number(id.slice(this.partner.length + 1));
    if (id !== due) this.faults.push(`${this.user} got ${id} where ${due} was due`);
    else if (data['content'] !== contentOf(id, this.lastNumber))
      this.faults.push(`${this.user} got ${id} with another content`);
  }
}

/** Pairs that write to each other without a break, and must not be disturbed by anything else. */
export class HealthyPairs {
  private constructor(private readonly clients: readonly HealthyClient[]) {}

  static async start(url: string, pairs: number): Promise<HealthyPairs> {
    const clients = Array.from({ length: pairs }, (_, pair) => [
      new HealthyClient(url, `healthy-${pair}-a`, `healthy-${pair}-b`),
      new HealthyClient(url, `healthy-${pair}-b`, `healthy-${pair}-a`),
    ]).flat();
    await Promise.all(clients.map(({ opened }) => opened));
    for (const client of clients) client.chat();
    return new HealthyPairs(clients);
  }

  get count(): number {
    return this.clients.length;
  }

  get sent(): number {
    return this.total(({ sent }) => sent);
  }

  get receipts(): number {
    return this.total(({ receipts }) => receipts);
  }

  get received(): number {
    return this.total(({ received }) => received);
  }

  get worstReceiptMs(): number {
    return Math.max(...this.clients.map(({ worstReceiptMs }) => worstReceiptMs));
  }

  get faults(): string[] {
    return this.clients.flatMap(({ faults }) => faults);
  }

  /** All that was sent has its receipt and has come. */
  get isSettled(): boolean {
    return this.clients.every(({ isAnswered }) => isAnswered) && this.received >= this.sent;
  }

  stopChatting(): void {
    for (const client of this.clients) client.stopChatting();
  }

  close(): void {
    for (const client of this.clients) client.close();
  }

  private total(of: (client: HealthyClient) => number): number {
    return this.clients.reduce((sum, client) => sum + of(client), 0);
  }
}
