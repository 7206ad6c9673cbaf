import { Inject, Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import proxyaddr from 'proxy-addr';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { HANDSHAKE_CODES } from '../protocol/handshake-code.js';
import { AdmissionLine } from './admission-line.js';
import { Places } from './places.js';
import { TakeOvers } from './take-overs.js';
import { Tally } from './tally.js';

/** A code of the application is not repeated: it could hold what came from a client, and be any number of them. */
const OTHER = 'OTHER';
const KNOWN: ReadonlySet<string> = new Set(HANDSHAKE_CODES);

/** Who is about to be connected: where they come from, the line in which they wait, the places that there are, and how many were refused. */
@Injectable()
export class EntranceService {
  readonly line: AdmissionLine;
  readonly places: Places;
  readonly takeOvers: TakeOvers;
  private readonly trust: ReturnType<typeof proxyaddr.compile>;
  private readonly refused = new Tally<string>();

  constructor(@Inject(CHAT_OPTIONS) options: ChatOptions) {
    this.trust = proxyaddr.compile([...options.trustedProxies]);
    this.line = new AdmissionLine(options);
    this.places = new Places(options);
    this.takeOvers = new TakeOvers(options.clock);
  }

  /** Where a client comes from, as far as proxies that are trusted report it; what anybody else claims is not believed. */
  addressOf(request: IncomingMessage): string {
    return proxyaddr(request as Parameters<typeof proxyaddr>[0], this.trust) ?? '';
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
