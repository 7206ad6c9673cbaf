import { Inject, Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { customerOf, matcherOf, parseAddress } from '../options/network-address.js';
import { HANDSHAKE_CODES } from '../protocol/handshake-code.js';
import { AdmissionLine } from './admission-line.js';
import { HttpSockets } from './http-sockets.js';
import { Places, type Place } from './places.js';
import { TakeOvers } from './take-overs.js';
import { Counter } from './counter.js';

/** A code of the application is not repeated: it could hold what came from a client, and be any number of them. */
const OTHER = 'OTHER';
const KNOWN: ReadonlySet<string> = new Set(HANDSHAKE_CODES);

/** Who is about to be connected: where they come from, the line in which they wait, the places that there are, and how many were refused. */
@Injectable()
export class EntranceService {
  readonly line: AdmissionLine;
  readonly places: Places;
  readonly takeOvers: TakeOvers;
  readonly httpSockets: HttpSockets;
  private readonly isTrusted: (address: string) => boolean;
  private readonly refused = new Counter<string>();

  constructor(@Inject(CHAT_OPTIONS) options: ChatOptions) {
    this.isTrusted = matcherOf(options.trustedProxies);
    this.line = new AdmissionLine(options);
    this.places = new Places(options);
    this.httpSockets = new HttpSockets(options, this.places);
    this.takeOvers = new TakeOvers(options.clock);
  }

  /**
   * Where a client comes from, in the only spelling of its address, as far as proxies that are trusted report it; what
   * anybody else claims is not believed, and what is no address counts as that of the proxy which passed it on. Empty for
   * a peer without an address, such as one of the file system.
   */
  addressOf({ socket, headers }: IncomingMessage): string {
    let address = addressOfPeer(socket);
    const reported = String(headers['x-forwarded-for'] ?? '').split(',');
    for (const hop of reported.reverse()) {
      const before = this.isTrusted(address) ? parseAddress(hop) : null;
      if (before === null) break;
      address = before;
    }
    return address;
  }

  /** Takes a place for whoever shakes hands over this socket, or answers which limit that would be over. */
  takePlace(remoteAddress: string, socket: Duplex): Place | 'server' | 'address' {
    const place = this.places.take(remoteAddress, socket);
    if (typeof place === 'object') this.httpSockets.remove(socket);
    return place;
  }

  /** A socket has come to a server that is the chat's alone. All customers come through a proxy: its address has no limit. */
  onSocket(socket: Socket): void {
    const address = addressOfPeer(socket);
    this.httpSockets.add(socket, address === '' || this.isTrusted(address) ? null : customerOf(address));
  }

  /** A handshake was refused. */
  onRefused(code: string): void {
    this.refused.add(KNOWN.has(code) ? code : OTHER);
  }

  /** How many handshakes were refused, by the code of the refusal; those of the application are counted as `OTHER`. */
  refusals(): [code: string, count: number][] {
    return [...KNOWN, OTHER].map((code) => [code, this.refused.of(code)]);
  }
}

function addressOfPeer({ remoteAddress }: Socket): string {
  return parseAddress(remoteAddress ?? '') ?? '';
}
