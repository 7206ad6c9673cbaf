import type { ClientEvents, FrameOf, ServerEvents, WireMessage } from '../../src/protocol/wire.js';

type ClientFrame = FrameOf<ClientEvents>;

/** One WebSocket of a client under test, seen from the server. */
export class FakeSocket {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  readonly sent: ClientFrame[] = [];
  isClosed = false;
  #seq = 0;

  constructor(
    readonly url: string,
    readonly protocols: string[],
    private readonly server: FakeServer,
  ) {
    server.sockets.push(this);
  }

  send(text: string): void {
    const frame = JSON.parse(text) as ClientFrame;
    this.sent.push(frame);
    this.server.answer(this, frame);
  }

  close(): void {
    this.isClosed = true;
  }

  /** Writes a frame to the client. */
  say<E extends keyof ServerEvents>(event: E, data: ServerEvents[E]): void {
    this.onmessage?.({ data: JSON.stringify({ event, data }) });
  }

  welcome(changes: Partial<ServerEvents['welcome']> = {}): void {
    this.say('welcome', {
      user: 'alice',
      connectionId: 'c1',
      pending: 0,
      ackWindow: 64,
      maxContentBytes: 65_536,
      maxMetaBytes: 4_096,
      heartbeatMs: 25_000,
      framesPerSecond: null,
      frameBurst: 60,
      broadcastsPerSecond: null,
      signalsPerSecond: null,
      recordMs: null,
      serverTime: new Date().toISOString(),
      ...changes,
    });
  }

  message(id: string, changes: Partial<WireMessage> = {}): void {
    this.#seq += 1;
    const message = { seq: this.#seq, id, from: 'bob', to: 'alice', content: id, sentAt: SENT_AT, stored: false };
    this.say('message', { ...message, ...changes });
  }

  receipt(id: string, status: ServerEvents['receipts'][number]['status'] = 'delivered'): void {
    this.say('receipts', [{ id, status, sentAt: SENT_AT }]);
  }

  refuse(id: string, changes: Partial<ServerEvents['exception']>): void {
    this.say('exception', { status: 'error', code: 'NOT_ALLOWED', message: 'no', temporary: false, id, ...changes });
  }

  /** The connection ends. */
  end(code = 1006, reason = ''): void {
    this.onclose?.({ code, reason });
  }

  /** The ids of what was sent with this event, in order. */
  ids(event: 'send' | 'broadcast' = 'send'): (string | undefined)[] {
    return this.sent.flatMap((frame) => (frame.event === event ? [(frame.data as { id?: string }).id] : []));
  }

  count(event: keyof ClientEvents): number {
    return this.sent.filter((frame) => frame.event === event).length;
  }

  /** Everything up to here was acknowledged. */
  get acked(): number {
    return Math.max(0, ...this.sent.map(({ event, data }) => (event === 'ack' ? data.seq : 0)));
  }
}

/** When everything was sent. Tests on fake timers begin at this time, so that nothing in them gets old with the tests. */
export const SENT_AT = '2026-11-26T12:00:00.000Z';

/** A server that accepts every connection. It says only what the test makes it say, unless it answers by itself. */
export class FakeServer {
  readonly sockets: FakeSocket[] = [];
  /** What it does with each frame. */
  answer: (socket: FakeSocket, frame: ClientFrame) => void = () => undefined;

  /** The option `WebSocket` of a client. */
  get WebSocket(): new (url: string, protocols: string[]) => FakeSocket {
    const open = (url: string, protocols: string[]) => new FakeSocket(url, protocols, this);
    return function (url: string, protocols: string[]) {
      return open(url, protocols);
    } as never;
  }

  get last(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error('nobody has connected');
    return socket;
  }

  /** Answers pings. */
  pongs(): this {
    this.answer = (socket, { event }) => event === 'ping' && socket.say('pong', {});
    return this;
  }
}
