import { Inject, Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { customerOf, matcherOf, parseAddress } from '../options/network-address.js';

/** Finds the address of a client, even behind the proxies of `trustedProxies`. */
@Injectable()
export class ClientAddress {
  private readonly isTrusted: (address: string) => boolean;

  constructor(@Inject(CHAT_OPTIONS) { trustedProxies }: ChatOptions) {
    this.isTrusted = matcherOf(trustedProxies);
  }

  /**
   * Returns the address of the client that made a request, in its only spelling. `X-Forwarded-For` is believed as far
   * as trusted proxies wrote it. If one of them wrote something that is not an address, the client counts as that
   * proxy. Returns an empty text for a peer without an address, such as a socket of the file system.
   */
  of({ socket, headers }: IncomingMessage): string {
    let address = addressOfPeer(socket);
    const reported = String(headers['x-forwarded-for'] ?? '').split(',');
    for (const hop of reported.reverse()) {
      const before = this.isTrusted(address) ? parseAddress(hop) : null;
      if (before === null) break;
      address = before;
    }
    return address;
  }

  /**
   * Returns the customer whose limit a socket counts for; null if it has no limit. A trusted proxy has none, since all
   * clients come through it. A socket of the file system has no address.
   */
  customerOf(socket: Socket): string | null {
    const address = addressOfPeer(socket);
    return address === '' || this.isTrusted(address) ? null : customerOf(address);
  }
}

function addressOfPeer({ remoteAddress }: Socket): string {
  return parseAddress(remoteAddress ?? '') ?? '';
}
