import type { Duplex } from 'node:stream';
import { Counter } from '../connections/counter.js';
import type { ChatOptions } from '../options/chat.options.js';
import { isReached, type ConnectionSlots } from './connection-slots.js';

/**
 * How many sockets an address may have besides its connections, even if fewer connections are allowed. A browser opens
 * six for a page, and many people share the address of an office.
 */
const LEAST_PER_ADDRESS = 100;

/**
 * How many sockets may be open besides `maxConnections`: half of the file descriptors that are left. The other half is
 * for the database and the log.
 */
const SPARE_SOCKETS = 50;

/**
 * Why a socket was closed: its address had too many (`address`), a new one needed room (`room`), or too many requests
 * waited on it (`pipelined`).
 */
export const SOCKET_ENDINGS = ['address', 'room', 'pipelined'] as const;
export type SocketEnding = (typeof SOCKET_ENDINGS)[number];

/**
 * The sockets of an HTTP server that are not chat connections, or not yet. They are limited, so that nobody can lock
 * others out by holding sockets open. If an address has too many, its new one is closed at once. If there are too many
 * in all, the oldest socket of the address that has the most is closed. A socket that takes a connection slot is
 * removed from here.
 */
export class HttpSockets {
  /** How many were closed, and why. */
  readonly closed = new Counter<SocketEnding>();
  private readonly perCustomer: number | null;
  private readonly room: number | null;
  private readonly customers = new Map<Duplex, string | null>();
  /** The sockets of each customer, the oldest first. */
  private readonly byCustomer = new Map<string, Set<Duplex>>();

  constructor(
    { connectionsPerAddress, maxConnections }: Pick<ChatOptions, 'connectionsPerAddress' | 'maxConnections'>,
    private readonly slots: ConnectionSlots,
  ) {
    // All connections that an address may have can be in their handshakes at once.
    this.perCustomer = connectionsPerAddress && Math.max(connectionsPerAddress, LEAST_PER_ADDRESS);
    this.room = maxConnections && maxConnections + SPARE_SOCKETS;
  }

  /** How many sockets are counted. */
  get count(): number {
    return this.customers.size;
  }

  /** Counts a socket until it is closed or removed. The sockets of a `null` customer have no limit. */
  add(socket: Duplex, customer: string | null): void {
    if (customer !== null) {
      const own = this.byCustomer.get(customer) ?? new Set();
      if (isReached(own.size, this.perCustomer)) return this.close(socket, 'address');
      this.byCustomer.set(customer, own.add(socket));
    }
    this.customers.set(socket, customer);
    socket.on('close', () => this.remove(socket)); // It comes once, and the wrapper of `once` takes 90 bytes.
    if (this.room !== null && this.count + this.slots.count > this.room) this.makeRoom();
  }

  /** Removes a socket that is closed, or that has become a connection. */
  remove(socket: Duplex): void {
    const customer = this.customers.get(socket);
    this.customers.delete(socket);
    if (customer === undefined || customer === null) return;
    const own = this.byCustomer.get(customer)!;
    own.delete(socket);
    if (own.size === 0) this.byCustomer.delete(customer);
  }

  /** Closes a socket without a response: a peer that does not read could hold the response up. */
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
