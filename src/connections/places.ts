import type { Duplex } from 'node:stream';
import type { ChatOptions } from '../options/chat.options.js';
import { customerOf } from '../options/network-address.js';
import { Counter } from './counter.js';

/** How many places there are. */
export type PlaceLimits = Pick<
  ChatOptions,
  'sessions' | 'connectionsPerUser' | 'connectionsPerAddress' | 'maxConnections'
>;

/** A place among the connections that there may be. */
export interface Place {
  /** Makes it this user's, once it is known who comes; answers false when the user has as many as there may be. */
  assign(user: string): boolean;
}

/**
 * Who has a place: whoever is connected, and whoever is about to be. A place is taken before anybody is asked who comes,
 * as that may take a while in which any number could pass the same count, and it is held until the socket is closed:
 * however a handshake or a connection ends, it ends there, so that no place is lost.
 */
export class Places {
  private taken = 0;
  private readonly byCustomer = new Counter<string>();
  private readonly byUser = new Counter<string>();

  constructor(private readonly limits: PlaceLimits) {}

  /** How many are taken. */
  get count(): number {
    return this.taken;
  }

  /**
   * Takes a place for a peer at this address, until its socket is closed; answers which limit that would be over instead.
   * A peer without an address is limited by the places of the server alone.
   */
  take(remoteAddress: string, socket: Duplex): Place | 'server' | 'address' {
    const { connectionsPerAddress, maxConnections } = this.limits;
    if (isReached(this.taken, maxConnections)) return 'server';
    const customer = customerOf(remoteAddress);
    if (customer !== '' && isReached(this.byCustomer.of(customer), connectionsPerAddress)) return 'address';
    let owner: string | null = null;
    this.taken += 1;
    this.byCustomer.add(customer);
    socket.once('close', () => {
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

  /** How many places this user has. */
  of(user: string): number {
    return this.byUser.of(user);
  }

  private isFullFor(user: string): boolean {
    const { sessions, connectionsPerUser } = this.limits;
    return sessions === 'multiple' && isReached(this.byUser.of(user), connectionsPerUser);
  }
}

/** Whether there is no room for one more; no limit is `null`. */
export function isReached(count: number, limit: number | null): boolean {
  return limit !== null && count >= limit;
}
