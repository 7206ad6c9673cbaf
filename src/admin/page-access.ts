import { HttpStatus, Inject, Injectable } from '@nestjs/common';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { HandshakeService } from '../handshake/handshake.service.js';
import { RestPaths } from './rest-paths.js';

/** The path of the socket, where a page asks why its handshake was refused. */
const SOCKET = { path: '', method: 'GET' };
const TICKETS = { path: '/tickets', method: 'POST' };

/** How long a browser may remember the response to a preflight, in seconds. */
const PREFLIGHT_SECONDS = 600;

/**
 * Allows pages of other hosts to make two calls (CORS): pages that may connect ask for tickets, and any page asks why it
 * may not connect. Cookies never count.
 */
@Injectable()
export class PageAccess {
  constructor(
    @Inject(HandshakeService) private readonly handshakes: HandshakeService,
    @Inject(RestPaths) private readonly paths: RestPaths,
  ) {}

  /** Sets the headers for pages. Returns true if the request was a preflight and has got its response. */
  allow(request: IncomingMessage, response: ServerResponse): boolean {
    const { origin, 'access-control-request-method': wanted } = request.headers;
    if (origin === undefined) return false;
    const call = [TICKETS, SOCKET].find(({ path }) => this.paths.isOneOf([path], request.url!));
    if (!call) return false;
    const isPreflight = request.method === 'OPTIONS' && wanted === call.method;
    // The rest is for the controller there. Beside a global prefix, the application may have another page at that path.
    if (call === SOCKET && !isPreflight) return false;
    varyByOrigin(response);
    if (call === TICKETS && !this.handshakes.isPageAllowed(request)) return false;
    allowToRead(request, response);
    if (!isPreflight) return false;
    response.setHeader('Access-Control-Allow-Methods', call.method);
    response.setHeader('Access-Control-Allow-Headers', 'Authorization, Content-Type');
    response.setHeader('Access-Control-Max-Age', PREFLIGHT_SECONDS);
    response.writeHead(HttpStatus.NO_CONTENT).end();
    return true;
  }
}

/** Lets the page that makes a request read the response, whatever its origin is. */
export function allowToRead({ headers: { origin } }: IncomingMessage, response: ServerResponse): void {
  varyByOrigin(response);
  if (origin === undefined) return;
  // Set, not appended: the application's own CORS may have set it already.
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Expose-Headers', 'Retry-After');
}

function varyByOrigin(response: ServerResponse): void {
  const vary = String(response.getHeader('Vary') ?? '');
  if (!/\borigin\b/i.test(vary)) response.setHeader('Vary', vary === '' ? 'Origin' : `${vary}, Origin`);
}
