import { WebSocket } from 'ws';
import type { ClusterCrowd } from './cluster-crowd.js';

/** A peer connects again after up to this long, in milliseconds. */
const RECONNECT_MS = 200;

/** The connection ended without a close frame. */
const CUT_OFF = 1006;

/** One connection of a peer. */
export interface Session {
  readonly socket: WebSocket;
  /** Of its node. */
  readonly address: string;
  /** The server has accepted it; before, a node may refuse it. */
  wasOpen: boolean;
  /** Unique in a history. */
  readonly name: string;
  lastSeq: number;
  ackIsDue: boolean;
  /** The peer has ended it itself, or has a newer one. */
  isOver: boolean;
}

/** A user of the crowd. It uses one connection at a time; an older one that is still open is a stale one. */
export abstract class ClusterPeer {
  protected session: Session | null = null;
  private connections = 0;
  private readonly open = new Set<WebSocket>();
  private timer: NodeJS.Timeout | null = null;

  constructor(
    readonly user: string,
    protected readonly crowd: ClusterCrowd,
    private readonly protocols: string[] = ['chat.v1.json'],
  ) {}

  /** Connects to any node; what it has open is stale from then on. */
  connect(): void {
    const address = this.crowd.address();
    if (address === null) return this.connectLater();
    if (this.session) this.session.isOver = true;
    const socket = new WebSocket(`${address}?user=${this.user}`, this.protocols);
    const name = `${this.user}#${(this.connections += 1)}`;
    const session: Session = { socket, address, wasOpen: false, name, lastSeq: 0, ackIsDue: false, isOver: false };
    this.session = session;
    this.open.add(socket);
    socket.on('open', () => {
      session.wasOpen = true;
      // A server with `sessions: multiple` keeps an older one.
      if (this.crowd.sessions === 'multiple') for (const other of this.open) if (other !== socket) other.terminate();
      if (!session.isOver) this.onOpen();
    });
    socket.on('message', (data: Buffer) => this.onFrame(session, data.toString()));
    socket.on('ping', () => this.onPing(session));
    socket.on('error', () => undefined); // 'close' follows.
    socket.on('close', (code, reason) => this.onClose(session, code, reason.toString()));
  }

  /** Goes on over another connection, and leaves the one that it has as it is. */
  roam(): void {
    if (this.isOpen) this.connect();
  }

  /** Ends its connection without a close frame; it connects again. */
  cut(): void {
    if (!this.session) return;
    this.session.isOver = true;
    this.session.socket.terminate();
  }

  leave(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    for (const socket of this.open) socket.terminate();
  }

  get isOpen(): boolean {
    return this.session?.socket.readyState === WebSocket.OPEN;
  }

  /** How long to stay away after a connection has ended, in milliseconds. */
  protected get pause(): number {
    return this.crowd.random.between(10, RECONNECT_MS);
  }

  protected write({ socket }: Session, event: string, data: unknown): void {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ event, data }));
  }

  protected onOpen(): void {}

  protected onPing(_session: Session): void {}

  protected abstract onFrame(session: Session, frame: string): void;

  private onClose(session: Session, code: number, reason: string): void {
    this.open.delete(session.socket);
    if (!session.isOver && !this.crowd.foreseen.includes(code)) {
      this.crowd.history.unforeseen(`the server closed ${session.name} with ${code} ${reason}`);
    }
    if (session.wasOpen && !session.isOver && code === CUT_OFF && this.crowd.isServed(session.address)) {
      this.crowd.history.unforeseen(`${session.name} was cut off by a node that runs`);
    }
    if (session === this.session) this.connectLater();
  }

  private connectLater(): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      if (this.crowd.isThere) this.connect();
    }, this.pause);
  }
}
