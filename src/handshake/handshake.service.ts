import { Inject, Injectable, Logger } from '@nestjs/common';
import { randomInt } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { AuthenticationService } from '../authentication/authentication.service.js';
import type { ConnectionOrigin } from '../connections/connection-info.js';
import { ConnectionService } from '../connections/connection.service.js';
import { Counter } from '../connections/counter.js';
import { Nodes, type Call } from '../nodes/nodes.js';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { RareLog } from '../options/rare-log.js';
import type { ServerCodec } from '../protocol/frames.js';
import { HANDSHAKE_CODES } from '../protocol/handshake-code.js';
import { refusals, type HandshakeRefusal } from '../protocol/handshake-refusal.js';
import { ClientAddress } from './client-address.js';
import { ConnectionSlots, type ConnectionSlot, type ReachedLimit } from './connection-slots.js';
import { HandshakeQueue } from './handshake-queue.js';
import { HttpSockets } from './http-sockets.js';
import { isOriginAllowed } from './origin.js';
import { Renewals } from './renewals.js';
import { protocolOf } from './subprotocol.js';
import { TakeOvers } from './take-overs.js';

const SLOTS_OF: Call<string, number> = { name: 'slots-of' };
const MAKE_ROOM: Call<string, void> = { name: 'make-room' };
/** An older connection has a second to answer a ping, on whichever node it is; then the answer comes back. */
const ROOM_MS = 2_000;

/** The result of an accepted handshake: who connects from where, and in which protocol. */
export interface AcceptedHandshake {
  readonly origin: ConnectionOrigin;
  readonly protocol: ServerCodec['protocol'];
}

/**
 * Clients that are refused in a storm are told a random delay of up to this many seconds. If all came back in the same
 * second, they would be the next storm.
 */
const RETURN_WITHIN_SECONDS = 5;

/**
 * The code under which refusals of the application are counted: their own codes may quote a client, or be any number.
 */
const OTHER = 'OTHER';

/**
 * Accepts or refuses each handshake before the upgrade, by the origin of its page, the free slots, its turn in the
 * queue, and its credentials. It also limits the HTTP sockets from which handshakes may come.
 */
@Injectable()
export class HandshakeService {
  readonly queue: HandshakeQueue;
  readonly slots: ConnectionSlots;
  readonly httpSockets: HttpSockets;
  readonly renewals: Renewals;
  private readonly takeOvers: TakeOvers;
  private readonly refused = new Counter<string>();
  private readonly log: RareLog;
  private isClosed = false;

  constructor(
    @Inject(CHAT_OPTIONS) private readonly options: ChatOptions,
    @Inject(AuthenticationService) private readonly authentication: AuthenticationService,
    @Inject(ConnectionService) connections: ConnectionService,
    @Inject(ClientAddress) private readonly clientAddress: ClientAddress,
    @Inject(Nodes) private readonly nodes: Nodes,
  ) {
    this.queue = new HandshakeQueue(options);
    this.slots = new ConnectionSlots(options);
    this.httpSockets = new HttpSockets(options, this.slots);
    this.renewals = new Renewals(options.clock, authentication, connections);
    this.takeOvers = new TakeOvers(options.clock);
    this.log = new RareLog(new Logger('Handshake'), options.clock);
    nodes.handle(SLOTS_OF, (user) => this.slots.of(user));
    nodes.handle(MAKE_ROOM, (user) => connections.makeRoom(user));
  }

  /** Returns who may connect with this request; throws a HandshakeRefusal. */
  async accept(request: IncomingMessage): Promise<AcceptedHandshake> {
    this.checkOpen();
    this.checkOrigin(request);
    const remoteAddress = this.clientAddress.of(request);
    const slot = this.takeSlot(remoteAddress, request.socket);
    await this.waitForTurn(request.socket);
    const principal = await this.authentication.authenticate(request);
    const { user, expiresAt } = principal;
    this.checkOpen(); // A connection that opened now would not be told that the server is going away.
    const protocol = protocolOf(request);
    await this.assign(slot, user, request.socket);
    return { origin: { user, remoteAddress, principal, ...(expiresAt === undefined ? {} : { expiresAt }) }, protocol };
  }

  /**
   * Throws the HandshakeRefusal that a handshake with the query and the headers of this request would get; returns when
   * it would be accepted. It waits in the same queue, but takes no slot, uses no ticket, counts no take-over, and pings no
   * older connection.
   */
  async check(request: IncomingMessage): Promise<void> {
    this.checkOpen();
    this.checkOrigin(request);
    const reached = this.slots.reachedFor(this.clientAddress.of(request));
    if (reached !== null) throw noSlot(reached);
    await this.waitForTurn(request.socket);
    const { user } = await this.authentication.authenticate(request, 'kept');
    this.checkOpen();
    protocolOf(request);
    if (this.slots.isFullFor(user) || !(await this.fitsElsewhere(user, 1))) throw refusals.tooManyConnections('user');
    if (!this.takesOver(user)) return;
    const waitMs = this.takeOvers.waitMs(user);
    if (waitMs !== null) throw refusals.tooManyTakeOvers(waitMs);
  }

  /** Whether the page that makes a request may connect; true for a request that is not of a page. */
  isPageAllowed(request: IncomingMessage): boolean {
    const { allowedOrigins = this.authentication.provesNothing ? null : undefined } = this.options;
    return isOriginAllowed(request, allowedOrigins);
  }

  /** Refuses every handshake from here on, those in the queue included. */
  close(): void {
    this.isClosed = true;
    this.queue.close();
  }

  /** Counts a socket of a server that serves only the chat. It is closed at once if its address has too many. */
  addSocket(socket: Socket): void {
    this.httpSockets.add(socket, this.clientAddress.customerOf(socket));
  }

  /** Counts a handshake that was refused, here or earlier. */
  countRefusal(code: string): void {
    this.refused.add(HANDSHAKE_CODES.includes(code) ? code : OTHER);
  }

  /** Returns how many handshakes were refused with each code; those of the application are counted as `OTHER`. */
  refusals(): [code: string, count: number][] {
    return [...HANDSHAKE_CODES, OTHER].map((code) => [code, this.refused.of(code)]);
  }

  private checkOpen(): void {
    if (this.isClosed) throw refusals.goingAway();
  }

  private checkOrigin(request: IncomingMessage): void {
    if (!this.isPageAllowed(request)) throw refusals.originNotAllowed();
  }

  private takeSlot(remoteAddress: string, socket: Duplex): ConnectionSlot {
    const slot = this.slots.take(remoteAddress, socket);
    if (typeof slot === 'string') throw noSlot(slot);
    this.httpSockets.remove(socket);
    return slot;
  }

  private async waitForTurn(socket: Duplex): Promise<void> {
    if (await this.queue.enter(socket)) return;
    this.checkOpen();
    throw refusals.serverBusy(randomInt(1, RETURN_WITHIN_SECONDS + 1));
  }

  /**
   * Gives the slot to the user. If the user has no free slot, an older connection that is dead makes room. Throws if
   * all are alive, or if connections of this user replace each other again and again.
   */
  private async assign(slot: ConnectionSlot, user: string, socket: Duplex): Promise<void> {
    if (this.takesOver(user)) this.countTakeOver(user);
    const isAssigned = slot.assign(user);
    if (isAssigned && (await this.fitsElsewhere(user))) return;
    if (!socket.destroyed) await this.nodes.all(MAKE_ROOM, user, ROOM_MS);
    this.checkOpen();
    const fits = (isAssigned || slot.assign(user)) && (await this.fitsElsewhere(user));
    if (!fits) throw refusals.tooManyConnections('user');
  }

  /**
   * Whether the slots of this user on all nodes, and `more`, are not too many. The own ones were taken before, so two
   * nodes never give the last one twice. Nodes that do not answer count nothing.
   */
  private async fitsElsewhere(user: string, more = 0): Promise<boolean> {
    const { sessions, connectionsPerUser } = this.options;
    if (!this.nodes.cluster || sessions !== 'multiple' || connectionsPerUser === null) return true;
    const { results } = await this.nodes.all(SLOTS_OF, user);
    return results.reduce((sum, count) => sum + count, more) <= connectionsPerUser;
  }

  /** Whether a new connection of this user would replace an older one. */
  private takesOver(user: string): boolean {
    return this.options.sessions === 'replace' && this.slots.of(user) > 0;
  }

  private countTakeOver(user: string): void {
    const waitMs = this.takeOvers.add(user);
    if (waitMs === null) return;
    this.log.warn(
      'take-overs',
      `Clients with the same name replace each other again and again, most recently user ${JSON.stringify(user)}: give each a name of its own, ` +
        "or keep all of them with sessions: 'multiple' (CHAT_SESSIONS).",
    );
    throw refusals.tooManyTakeOvers(waitMs);
  }
}

function noSlot(reached: ReachedLimit): HandshakeRefusal {
  return reached === 'server' ? refusals.serverFull() : refusals.tooManyConnections('address');
}
