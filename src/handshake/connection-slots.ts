import type { Duplex } from 'node:stream';
import { Counter } from '../connections/counter.js';
import type { ChatOptions } from '../options/chat.options.js';
import { customerOf } from '../options/network-address.js';

/** How many slots there are. */
export type SlotLimits = Pick<
  ChatOptions,
  'sessions' | 'connectionsPerUser' | 'connectionsPerAddress' | 'maxConnections'
>;

/** The limit that leaves no slot: that of the server, or that of the peer's address. */
export type ReachedLimit = 'server' | 'address';

/** A slot among the connections that may be open. */
export interface ConnectionSlot {
  /** Gives the slot to this user, once it is known who connects. Returns false if the user has as many as allowed. */
  assign(user: string): boolean;
}

/**
 * The slots of all open connections, and of all handshakes that may become one. A handshake takes its slot before its
 * user is known: to find the user may take a while, in which any number of handshakes could pass the same count. The
 * slot is held until the socket is closed. Every handshake and every connection ends that way, so no slot is lost.
 */
export class ConnectionSlots {
  private taken = 0;
  private readonly byCustomer = new Counter<string>();
  private readonly byUser = new Counter<string>();

  constructor(private readonly limits: SlotLimits) {}

  /** How many are taken. */
  get count(): number {
    return this.taken;
  }

  /**
   * Takes a slot for a peer at this address, until its socket is closed. Returns which limit is reached instead, if one
   * is. A peer without an address is limited only by the slots of the server.
   */
  take(remoteAddress: string, socket: Duplex): ConnectionSlot | ReachedLimit {
    const customer = customerOf(remoteAddress);
    const reached = this.reachedFor(remoteAddress);
    if (reached !== null) return reached;
    let owner: string | null = null;
    this.taken += 1;
    this.byCustomer.add(customer);
    // It comes once, and the wrapper of `once` takes 90 bytes.
    socket.on('close', () => {
      this.taken -= 1;
      this.byCustomer.remove(customer);
      if (owner !== null) this.byUser.remove(owner);
    });
    return {
      assign: (user) => {
        if (socket.destroyed || this.isFullFor(user)) return false;
        owner = user;
        this.byUser.add(user);
        return true;
      },
    };
  }

  /** Returns which limit keeps a peer at this address from a slot; null if none does. */
  reachedFor(remoteAddress: string): ReachedLimit | null {
    const { connectionsPerAddress, maxConnections } = this.limits;
    if (isReached(this.taken, maxConnections)) return 'server';
    const customer = customerOf(remoteAddress);
    return customer !== '' && isReached(this.byCustomer.of(customer), connectionsPerAddress) ? 'address' : null;
  }

  /** How many slots this user has. */
  of(user: string): number {
    return this.byUser.of(user);
  }

  /** Whether this user has as many slots as allowed. */
  isFullFor(user: string): boolean {
    const { sessions, connectionsPerUser } = this.limits;
    return sessions === 'multiple' && isReached(this.byUser.of(user), connectionsPerUser);
  }
}

/** Whether a count has reached its limit; `null` is no limit. */
export function isReached(count: number, limit: number | null): boolean {
  return limit !== null && count >= limit;
}
