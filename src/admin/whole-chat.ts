import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Connection } from '../connections/connection.js';
import type { ConnectionInfo } from '../connections/connection-info.js';
import { ConnectionService } from '../connections/connection.service.js';
import { Delivery } from '../delivery/delivery.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import { mailboxKeyOf } from '../delivery/mailbox-store.js';
import { Nodes, type Answers, type Call } from '../nodes/nodes.js';
import { OfflineMessageService } from '../offline-messages/offline-message.service.js';
import { Emitter } from '../options/emitter.js';
import { errors } from '../protocol/chat-error.js';
import { CloseCode } from '../protocol/close-code.js';
import type { Authored } from '../record/erasure.table.js';
import { UserExport } from '../record/user-export.js';

/** A connection as operators see it; times are in milliseconds since 1970. */
export interface SeenConnection extends Omit<ConnectionInfo, 'principal'> {
  readonly lastSeenAt: number;
  readonly sent: number;
  readonly received: number;
  readonly inFlight: number;
  readonly bufferedBytes: number;
}

/** Which connections are listed: `limit` of them, oldest first, from behind the id `after`. */
export interface ListQuery {
  readonly user?: string | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

/** The message that is purged; all of the user if there is none. */
interface PurgeRequest {
  readonly user: string;
  readonly one?: { readonly from: string; readonly id: string };
}

/** What an erasure has changed. After a crash it counts what was left. */
export interface ErasedCounts {
  /** Messages from and to the user that waited, and were removed. */
  readonly purged: number;
  /** Messages of the record that were given a pseudonym, emptied too with `blank`, or deleted. */
  readonly recorded: number;
}

/** A user was erased. */
export interface ErasedUser extends ErasedCounts {
  readonly user: string;
  readonly authored: Authored;
}

const LIST: Call<ListQuery, { items: SeenConnection[]; total: number }> = { name: 'connections' };
const FIND: Call<string, SeenConnection | null> = { name: 'connection' };
const CLOSE: Call<string, boolean> = { name: 'close' };
const INFOS: Call<string, ConnectionInfo[]> = { name: 'connections-of' };
const OPEN: Call<string, number> = { name: 'open' };
const SEEN: Call<string, { connections: number; lastSeenAt: number | null }> = { name: 'seen' };
const DISCONNECT: Call<{ user: string; reason: string }, number> = { name: 'disconnect' };
const PURGE: Call<PurgeRequest, number> = { name: 'purge' };

/** For the developer of the application. */
const NOT_JSON =
  'authenticate returned what JSON cannot say (a BigInt or a cycle), so ChatService.connections of another node shows null as the principal; return something else in its place.';

/**
 * What operators and the application ask of the whole chat, on whichever node they ask. While a node does not answer,
 * what would be half the truth is refused with STORE_UNAVAILABLE.
 */
@Injectable()
export class WholeChat {
  /** A user was erased. Emitted on the node that was the user's home. */
  readonly erased = new Emitter<ErasedUser>(new Logger('Erasures'), 'erased');
  private readonly logger = new Logger('ChatService');
  /** `not JSON`: the application was told. */
  private principals: 'unchecked' | 'not JSON' = 'unchecked';

  constructor(
    @Inject(Nodes) private readonly nodes: Nodes,
    /** Those of this process. */
    @Inject(ConnectionService) readonly connections: ConnectionService,
    @Inject(Delivery) private readonly delivery: Delivery,
    @Inject(DeliveryService) private readonly home: DeliveryService,
    @Inject(OfflineMessageService) private readonly offlineMessages: OfflineMessageService,
  ) {
    nodes.handle(LIST, (query) => this.listHere(query));
    nodes.handle(FIND, (id) => {
      const connection = connections.get(id);
      return connection ? this.seen(connection) : null;
    });
    nodes.handle(CLOSE, (id) => this.closeHere(id));
    nodes.handle(INFOS, (user, isHere) => {
      const infos = connections.openOf(user).map((connection) => connection.info());
      return isHere ? infos : infos.map((info) => this.toJson(info));
    });
    nodes.handle(OPEN, (user) => connections.openOf(user).length);
    nodes.handle(SEEN, async (user) => ({
      connections: connections.ofUser(user).length,
      lastSeenAt: await delivery.lastSeenOf(user),
    }));
    nodes.handle(DISCONNECT, ({ user, reason }) => connections.disconnect(user, reason));
    nodes.handle(PURGE, ({ user, one }) => offlineMessages.purge(mailboxKeyOf(user), one));
  }

  /** Lists connections; `hasMore` are behind these, and `missing` are the nodes whose connections are left out. */
  async list(query: ListQuery): Promise<{
    readonly items: readonly SeenConnection[];
    readonly total: number;
    readonly hasMore: boolean;
    readonly missing: readonly number[];
  }> {
    const { results, missing } = await this.nodes.all(LIST, { ...query, limit: query.limit + 1 });
    const found = results.flatMap(({ items }) => items);
    if (results.length > 1) found.sort((one, other) => (one.id < other.id ? -1 : 1));
    return {
      items: found.slice(0, query.limit),
      total: sum(results.map(({ total }) => total)),
      hasMore: found.length > query.limit,
      missing,
    };
  }

  /** Returns the connection with this id; null if there is none. */
  async find(id: string): Promise<SeenConnection | null> {
    const answers = await this.nodes.all(FIND, id);
    return answers.results.find((found) => found !== null) ?? none(answers, null);
  }

  /** Closes a connection with 4403; returns whether there was one with this id. */
  async close(id: string): Promise<boolean> {
    const answers = await this.nodes.all(CLOSE, id);
    return answers.results.includes(true) || none(answers, false);
  }

  /** Returns the open connections of a user, oldest first. */
  async connectionsOf(user: string): Promise<ConnectionInfo[]> {
    const infos = complete(await this.nodes.all(INFOS, user));
    return infos.flat().sort((one, other) => one.connectedAt - other.connectedAt);
  }

  /** Whether a user has an open connection. */
  async isOnline(user: string): Promise<boolean> {
    const answers = await this.nodes.all(OPEN, user);
    return answers.results.some((count) => count > 0) || none(answers, false);
  }

  /**
   * Whether a user has an open connection; a promise only if other nodes have to be asked. Nodes that do not answer have
   * none.
   */
  isStillOnline(user: string): boolean | Promise<boolean> {
    const isHere = this.connections.openOf(user).length > 0;
    if (isHere || !this.nodes.cluster) return isHere;
    return this.nodes.all(OPEN, user).then(({ results }) => results.some((count) => count > 0));
  }

  /** Whether a user whose home is here has an open connection: this process knows those on other nodes too. */
  isOnlineAtHome(user: string): boolean {
    return this.connections.openOf(user).length > 0 || (this.nodes.cluster !== null && this.home.hears(user));
  }

  /** Returns how many connections a user has, and when something last came from that user. */
  async seenOf(user: string): Promise<{ connections: number; lastSeenAt: number | null }> {
    const results = complete(await this.nodes.all(SEEN, user));
    const times = results.map(({ lastSeenAt }) => lastSeenAt).filter((time) => time !== null);
    return {
      connections: sum(results.map(({ connections }) => connections)),
      lastSeenAt: times.length > 0 ? Math.max(...times) : null,
    };
  }

  /** Closes the connections of a user with 4403; returns how many were open. */
  async disconnect(user: string, reason: string): Promise<number> {
    return sum(complete(await this.nodes.all(DISCONNECT, { user, reason })));
  }

  /** Deletes what waits for a user, or one message; returns how many messages that were. */
  purge(user: string, one?: PurgeRequest['one']): Promise<number> {
    return this.nodes.atHome(user, PURGE, one ? { user, one } : { user });
  }

  /** Returns what waits for a user, in order, from behind a position. */
  waiting(user: string, after: number, limit: number): ReturnType<OfflineMessageService['lists']['page']> {
    return this.offlineMessages.lists.page(user, after, limit);
  }

  /** Yields all that is stored of a user, as lines of JSON. */
  async *export(user: string): AsyncGenerator<string> {
    const { lastSeenAt } = await this.seenOf(user);
    yield* new UserExport(this.offlineMessages).lines(user, lastSeenAt);
  }

  private listHere({ user, after, limit }: ListQuery): { items: SeenConnection[]; total: number } {
    const all = user === undefined ? [...this.connections.all()] : this.connections.ofUser(user);
    const rest = after === undefined ? all : all.filter((connection) => connection.id > after);
    return { items: rest.slice(0, limit).map((connection) => this.seen(connection)), total: all.length };
  }

  private closeHere(id: string): boolean {
    const connection = this.connections.get(id);
    connection?.dismiss(CloseCode.ADMINISTRATOR, 'disconnected by an administrator');
    return connection !== undefined;
  }

  /** The application's principal may be anything; another node gets as much of it as JSON can say. */
  private toJson(info: ConnectionInfo): ConnectionInfo {
    try {
      return JSON.parse(JSON.stringify(info)) as ConnectionInfo;
    } catch (error) {
      if (this.principals === 'unchecked') this.logger.error(`${NOT_JSON} (${String(error)})`);
      this.principals = 'not JSON';
      return { ...info, principal: null };
    }
  }

  private seen(connection: Connection): SeenConnection {
    const { id, user, protocol, remoteAddress, connectedAt, lastSeenAt, sent, received, bufferedBytes } = connection;
    const inFlight = this.delivery.inFlight(connection);
    return {
      id,
      user,
      protocol,
      remoteAddress,
      connectedAt,
      lastSeenAt,
      sent,
      received,
      inFlight,
      bufferedBytes,
    };
  }
}

/** Returns the answers of all nodes; throws STORE_UNAVAILABLE if one of them is missing. */
function complete<Result>({ results, missing }: Answers<Result>): readonly Result[] {
  if (missing.length > 0) throw errors.nodeSilent();
  return results;
}

/** Returns the outcome of a search that has found nothing; throws STORE_UNAVAILABLE if a node was not searched. */
function none<Result>(answers: Answers<unknown>, result: Result): Result {
  complete(answers);
  return result;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
