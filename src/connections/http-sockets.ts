import type { Duplex } from 'node:stream';
import type { ChatOptions } from '../options/chat.options.js';
import { isReached, type Places } from './places.js';
import { Counter } from './counter.js';

/** Sockets that one address may have besides its connections, however few of those: a browser opens six for a page, an office many. */
const LEAST_PER_ADDRESS = 100;

/** Room for newcomers beside `maxConnections`: half of the descriptors that this leaves. The other half is the database's and the log's. */
const NEWCOMERS = 50;

/** Why a socket was closed: its address had too many, it gave way to a newcomer, or more requests waited on it than may. */
export const SOCKET_ENDINGS = ['address', 'room', 'pipelined'] as const;
export type SocketEnding = (typeof SOCKET_ENDINGS)[number];

/**
 * The sockets of an HTTP server that are no chat connections (yet), so that holding them open locks nobody out. An address
 * may have so many of them, and one more is closed at once. When there is no room left for sockets at all, whoever has
 * the most gives way to a newcomer, with the oldest. A socket goes out of the count when it takes a place among the
 * connections.
 */
export class HttpSockets {
  /** How many were closed, and why. */
  readonly closed = new Counter<SocketEnding>();
  private readonly perCustomer: number | null;
  private readonly room: number | null;
  private readonly customers = new Map<Duplex, string | null>();
  /** Of each customer, in the order in which they came. */
  private readonly byCustomer = new Map<string, Set<Duplex>>();

  constructor(
    { connectionsPerAddress, maxConnections }: Pick<ChatOptions, 'connectionsPerAddress' | 'maxConnections'>,
    private readonly places: Places,
  ) {
    // All connections that an address may have can be on their way at once.
    this.perCustomer = connectionsPerAddress && Math.max(connectionsPerAddress, LEAST_PER_ADDRESS);
    this.room = maxConnections && maxConnections + NEWCOMERS;
  }

  /** How many there are. */
  get count(): number {
    return this.customers.size;
  }

  /** Counts a socket until it is closed or taken out; `null` is a customer whose sockets have no limit. */
  add(socket: Duplex, customer: string | null): void {
    if (customer !== null) {
      const own = this.byCustomer.get(customer) ?? new Set();
      if (isReached(own.size, this.perCustomer)) return this.close(socket, 'address');
      this.byCustomer.set(customer, own.add(socket));
    }
    this.customers.set(socket, customer);
    socket.once('close', () => this.remove(socket));
    if (this.room !== null && this.count + this.places.count > this.room) this.makeRoom();
  }

  /** Takes a socket out of the count: it is closed, or a connection's. */
  remove(socket: Duplex): void {
    const customer = this.customers.get(socket);
    this.customers.delete(socket);
    if (customer === undefined || customer === null) return;
    const own = this.byCustomer.get(customer)!;
    own.delete(socket);
    if (own.size === 0) this.byCustomer.delete(customer);
  }

  /** At once: an answer could be held up by a peer that does not read. */
  private close(socket: Duplex, ending: SocketEnding): void {
    this.closed.add(ending);
    this.remove(socket);
    socket.destroy();
  }

  private makeRoom(): void {
    let most: ReadonlySet<Duplex> = new Set();
    for (const own of this.byCustomer.values()) if (own.size > most.size) most = own;
    const [oldest] = most;
    if (oldest) this.close(oldest, 'room');
  }
}
