import { Inject, Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { Emitter } from '../options/emitter.js';
import { CloseCode } from '../protocol/close-code.js';
import type { ServerCodec } from '../protocol/frames.js';
import { Connection } from './connection.js';
import { ConnectionContext } from './connection-context.js';
import type { ConnectionOrigin } from './connection-info.js';
import { Expiry } from './expiry.js';
import { LivenessProbe } from './liveness-probe.js';

/** The registry of all connections, by user, and their heartbeat. */
@Injectable()
export class ConnectionService implements OnModuleDestroy {
  private readonly logger = new Logger('Connections');
  /** Emits a connection that was opened, before anything is written to it. */
  readonly connected = new Emitter<Connection>(this.logger, 'connected');
  /** Emits a connection that has ended, and that is no longer counted for its user. */
  readonly disconnected = new Emitter<Connection>(this.logger, 'disconnected');
  // In the order of insertion, so that ids (UUID v7) and times ascend.
  private readonly connections = new Map<string, Connection>();
  private readonly byUser = new Map<string, Set<Connection>>();
  private cancelHeartbeat: (() => void) | null = null;
  private readonly context: ConnectionContext;
  private readonly expiry: Expiry;
  private readonly probe: LivenessProbe;

  constructor(@Inject(CHAT_OPTIONS) private readonly options: ChatOptions) {
    this.context = new ConnectionContext(options);
    this.expiry = new Expiry(options.clock);
    this.probe = new LivenessProbe(options.clock);
  }

  /** Adds a connection that was just opened. */
  open(socket: WebSocket, stream: Duplex, codec: ServerCodec, origin: ConnectionOrigin): Connection {
    const connection = new Connection(socket, stream, codec, origin, this.context);
    this.connections.set(connection.id, connection);
    const ofUser = this.byUser.get(connection.user);
    if (ofUser) ofUser.add(connection);
    else this.byUser.set(connection.user, new Set([connection]));
    if (origin.expiresAt !== undefined) this.expiry.add(connection, origin.expiresAt);
    this.cancelHeartbeat ??= this.scheduleHeartbeat();
    this.connected.emit(connection);
    return connection;
  }

  /** Removes a connection that has ended, and only that one: a newer one of the same user stays. */
  remove(connection: Connection): void {
    if (!this.connections.delete(connection.id)) return;
    this.expiry.remove(connection);
    const ofUser = this.byUser.get(connection.user)!;
    ofUser.delete(connection);
    if (ofUser.size === 0) this.byUser.delete(connection.user);
    connection.ending.handleGone();
    this.disconnected.emit(connection);
    this.probe.handleRemoved(connection);
  }

  /** Replaces the credentials of a connection by newer ones of the same user, with which it then ends. */
  renew(connection: Connection, principal: Pick<ConnectionOrigin, 'expiresAt'>): void {
    if (!this.connections.has(connection.id)) return;
    connection.principal = principal;
    this.expiry.remove(connection);
    if (principal.expiresAt !== undefined) this.expiry.add(connection, principal.expiresAt);
  }

  /**
   * Closes the oldest connection of this user that does not reply to a ping within a second, if there is one. A new
   * connection needs its slot.
   */
  makeRoom(user: string): Promise<void> {
    return this.probe.makeRoom(user, this.ofUser(user), ({ id }) => this.connections.has(id));
  }

  /**
   * Closes the open connections of a user with 4403, after which clients do not reconnect. Returns how many there were.
   */
  disconnect(user: string, reason: string): number {
    const open = this.openOf(user);
    for (const connection of open) connection.dismiss(CloseCode.ADMINISTRATOR, reason);
    return open.length;
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

  /** Returns how many connections the server has closed with this code. */
  closedWith(code: number): number {
    return this.context.closedByCode.of(code);
  }

  /** Broadcasts that were not written to a slow consumer. */
  get broadcastsSkipped(): number {
    return this.context.broadcastsSkipped;
  }

  all(): Iterable<Connection> {
    return this.connections.values();
  }

  /** Whether this user has a connection, even one that is closing. */
  isConnected(user: string): boolean {
    return this.byUser.has(user);
  }

  /** Returns the connections of a user, oldest first, including those that are closing. */
  ofUser(user: string): readonly Connection[] {
    return [...(this.byUser.get(user) ?? [])];
  }

  /** Returns the open connections of a user, oldest first. */
  openOf(user: string): readonly Connection[] {
    return this.ofUser(user).filter(({ isOpen }) => isOpen);
  }

  /** Returns when something last came from this user, in milliseconds since 1970; null if they are not connected. */
  lastSeenAt(user: string): number | null {
    const times = this.ofUser(user).map((connection) => connection.lastSeenAt);
    return times.length > 0 ? Math.max(...times) : null;
  }

  onModuleDestroy(): void {
    this.cancelHeartbeat?.();
  }

  private scheduleHeartbeat(): () => void {
    return this.options.clock.after(this.options.heartbeatMs, () => {
      // After a stall of the process the timer runs first, while pongs that have arrived are still unread.
      setImmediate(() => this.beat());
    });
  }

  private beat(): void {
    for (const connection of this.connections.values()) connection.beat();
    this.cancelHeartbeat = this.connections.size > 0 ? this.scheduleHeartbeat() : null;
  }
}
