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

/** For how many users who left it is remembered when they were last seen. */
const REMEMBERED_USERS = 10_000;

/** Who is connected: the connections of each user, and their heartbeat. */
@Injectable()
export class ConnectionService implements OnModuleDestroy {
  private readonly logger = new Logger('Connections');
  /** Tells of a connection that was opened, before anything is written to it. */
  readonly connected = new Emitter<Connection>(this.logger, 'connected');
  /** Tells of a connection that has ended. It does not count among those of its user any more. */
  readonly disconnected = new Emitter<Connection>(this.logger, 'disconnected');
  // UUID v7: in the order of insertion, ids and times ascend.
  private readonly connections = new Map<string, Connection>();
  private readonly byUser = new Map<string, Set<Connection>>();
  private readonly lastSeen = new Map<string, number>();
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
    this.lastSeen.delete(connection.user);
    this.lastSeen.set(connection.user, connection.lastSeenAt);
    if (this.lastSeen.size > REMEMBERED_USERS) this.lastSeen.delete(this.lastSeen.keys().next().value!);
    const ofUser = this.byUser.get(connection.user)!;
    ofUser.delete(connection);
    if (ofUser.size === 0) this.byUser.delete(connection.user);
    this.disconnected.emit(connection);
    this.probe.handleRemoved(connection);
  }

  /** Closes the oldest connection of this user whose peer is silent for a second, if there is one: a new one needs room. */
  makeRoom(user: string): Promise<void> {
    return this.probe.makeRoom(user, this.ofUser(user), ({ id }) => this.connections.has(id));
  }

  /** Closes the open connections of a user with 4403, after which clients do not reconnect. Returns how many. */
  disconnect(user: string, reason: string): number {
    const open = this.openOf(user);
    for (const connection of open) connection.revoke(CloseCode.ADMINISTRATOR, reason);
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

  /** How many connections the server has closed with this code. */
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

  /** The connections of a user, oldest first, with those that are closing. */
  ofUser(user: string): readonly Connection[] {
    return [...(this.byUser.get(user) ?? [])];
  }

  /** The connections of a user to which something can be written, oldest first. */
  openOf(user: string): readonly Connection[] {
    return this.ofUser(user).filter(({ isOpen }) => isOpen);
  }

  /** When something last came from this user, in milliseconds since 1970; null when it is not known, as after a restart. */
  lastSeenAt(user: string): number | null {
    const times = this.ofUser(user).map((connection) => connection.lastSeenAt);
    return times.length > 0 ? Math.max(...times) : (this.lastSeen.get(user) ?? null);
  }

  onModuleDestroy(): void {
    this.cancelHeartbeat?.();
  }

  private scheduleHeartbeat(): () => void {
    return this.options.clock.after(this.options.heartbeatMs, () => {
      // After a stall of this process the timer is the first to run, and the pongs that came meanwhile are still unread.
      setImmediate(() => this.beat());
    });
  }

  private beat(): void {
    for (const connection of this.connections.values()) connection.beat();
    this.cancelHeartbeat = this.connections.size > 0 ? this.scheduleHeartbeat() : null;
  }
}
