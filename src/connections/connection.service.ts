import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { inNoContext } from '../options/no-context.js';
import { CloseCode } from '../protocol/close-code.js';
import type { ErrorCode } from '../protocol/chat-error.js';
import type { ServerCodec } from '../protocol/frames.js';
import type { Message } from '../protocol/message.js';
import { Connection } from './connection.js';
import type { ConnectionKeeper } from './connection-keeper.js';
import type { ConnectionOrigin } from './connection-info.js';
import { Expiry } from './expiry.js';
import { LivenessProbe } from './liveness-probe.js';
import { textFrame } from './outbox.js';
import { Counter } from './counter.js';

/** Hears of connections that come and go. It must not throw. */
export interface ConnectionListener {
  onConnected(connection: Connection): void;
  onDisconnected(connection: Connection): void;
}

/** Of so many users who left it is known when they were last seen. */
const REMEMBERED_USERS = 10_000;

/** Who is connected. It keeps the connections of each user, their heartbeat, and the end of every turn of the event loop. */
@Injectable()
export class ConnectionService implements ConnectionKeeper, OnModuleDestroy {
  // UUID v7: in the order of insertion, ids and times ascend.
  private readonly connections = new Map<string, Connection>();
  private readonly byUser = new Map<string, Set<Connection>>();
  /** Connections that were closed from this side, by their code. */
  readonly closed = new Counter<number>();
  /** Broadcasts that were not written to somebody who does not read. */
  broadcastsSkipped = 0;
  private readonly lastSeen = new Map<string, number>();
  private readonly refusalListeners: ((code: ErrorCode) => void)[] = [];
  private listener: ConnectionListener | null = null;
  /** The last broadcast, framed once for all who get it: for 1,000 of them that is a third of its cost. */
  private broadcast: { message: unknown; frames: Partial<Record<'text' | 'json', Buffer>> } = {
    message: null,
    frames: {},
  };
  private turn: Connection[] = [];
  private cancelHeartbeat: (() => void) | null = null;
  private readonly expiry: Expiry;
  private readonly probe: LivenessProbe;

  constructor(@Inject(CHAT_OPTIONS) private readonly options: ChatOptions) {
    this.expiry = new Expiry(options.clock);
    this.probe = new LivenessProbe(options.clock);
  }

  /** Enters a connection that was just opened. */
  open(socket: WebSocket, stream: Duplex, codec: ServerCodec, origin: ConnectionOrigin): Connection {
    const connection = new Connection(socket, stream, codec, this, origin, this.options);
    this.connections.set(connection.id, connection);
    const ofUser = this.byUser.get(connection.user);
    if (ofUser) ofUser.add(connection);
    else this.byUser.set(connection.user, new Set([connection]));
    if (origin.expiresAt !== undefined) this.expiry.watch(connection, origin.expiresAt);
    this.cancelHeartbeat ??= this.scheduleHeartbeat();
    this.listener?.onConnected(connection);
    return connection;
  }

  /** Takes out a connection that has ended. It takes out that one only: a newer one of the same user stays. */
  remove(connection: Connection): void {
    if (!this.connections.delete(connection.id)) return;
    this.expiry.forget(connection);
    this.lastSeen.delete(connection.user);
    this.lastSeen.set(connection.user, connection.lastSeenAt);
    if (this.lastSeen.size > REMEMBERED_USERS) this.lastSeen.delete(this.lastSeen.keys().next().value!);
    const ofUser = this.byUser.get(connection.user)!;
    ofUser.delete(connection);
    if (ofUser.size === 0) this.byUser.delete(connection.user);
    this.listener?.onDisconnected(connection);
    this.probe.onGone(connection);
  }

  /** Ends the oldest connection of this user whose peer is silent for a second, if there is one, to make room for a new one. */
  makeRoom(user: string): Promise<void> {
    return this.probe.makeRoom(user, this.ofUser(user), ({ id }) => this.connections.has(id));
  }

  get(id: string): Connection | undefined {
    return this.connections.get(id);
  }

  get count(): number {
    return this.connections.size;
  }

  get userCount(): number {
    return this.byUser.size;
  }

  all(): Iterable<Connection> {
    return this.connections.values();
  }

  ofUser(user: string): readonly Connection[] {
    return [...(this.byUser.get(user) ?? [])];
  }

  /** When something last came from this user, in milliseconds since 1970; null when it is not known, as after a restart. */
  lastSeenAt(user: string): number | null {
    const open = this.ofUser(user).map((connection) => connection.lastSeenAt);
    return open.length > 0 ? Math.max(...open) : (this.lastSeen.get(user) ?? null);
  }

  now(): number {
    return this.options.clock.now();
  }

  after(ms: number, callback: () => void): () => void {
    return this.options.clock.after(ms, callback);
  }

  atEndOfTurn(connection: Connection): void {
    if (this.turn.push(connection) === 1) inNoContext(() => setImmediate(() => this.endTurn()));
  }

  /** From here on the listener hears of every connection. */
  listen(listener: ConnectionListener): void {
    this.listener = listener;
  }

  broadcastFrame(message: Omit<Message, 'to'>, codec: ServerCodec): Buffer {
    if (this.broadcast.message !== message) this.broadcast = { message, frames: {} };
    return (this.broadcast.frames[codec.protocol] ??= textFrame(codec.broadcast(message)));
  }

  /** Hears of every frame of any connection that is refused. */
  onRefusal(listener: (code: ErrorCode) => void): void {
    this.refusalListeners.push(listener);
  }

  onRefused(code: ErrorCode): void {
    for (const listener of this.refusalListeners) listener(code);
  }

  onClosed(code: number): void {
    this.closed.add(code);
  }

  onBroadcastSkipped(): void {
    this.broadcastsSkipped += 1;
  }

  onModuleDestroy(): void {
    this.cancelHeartbeat?.();
  }

  private endTurn(): void {
    const turn = this.turn;
    this.turn = [];
    for (const connection of turn) connection.endTurn();
  }

  private scheduleHeartbeat(): () => void {
    return this.options.clock.after(this.options.heartbeatMs, () => {
      // After a stall of this process the timer is the first to run, and the pongs that came meanwhile are still unread.
      setImmediate(() => this.checkHeartbeats());
    });
  }

  private checkHeartbeats(): void {
    for (const connection of this.connections.values()) {
      const code = connection.heartbeat();
      if (code === CloseCode.NO_PONG) connection.abandon(code, 'no pong within the heartbeat');
      else if (code) connection.hangUp(code, 'too much waits to be taken, and no pong; reconnect later');
    }
    this.cancelHeartbeat = this.connections.size > 0 ? this.scheduleHeartbeat() : null;
  }
}
