import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../options/network-address.js';

/** Hosts, as URLs spell them, that always mean the own machine, whatever a name server says [RFC 6761 6.3]. */
const LOOPBACK_HOST = /(^|\.)localhost\.?$|^127(\.\d{1,3}){3}$|^\[::1\]$|^\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\]$/;
/** A valid `Host`. A URL would take what is before an `@` for a user. */
const HOST = /^[^\s/?#@\\]+$/;
/** A request target that includes the host [RFC 9112 3.2.2]. */
const ABSOLUTE = /^(?:https?|wss?):\/\/([^/?#]*)/i;

/**
 * Whether a request came to an address that only this machine can reach. A socket of the file system has no address.
 */
export function cameByLoopback({ socket: { localAddress } }: IncomingMessage): boolean {
  return localAddress === undefined || isLoopback(localAddress);
}

/**
 * Whether a request asks for a host of the own machine, or for one in `allowed`. Any page can point its own name to
 * this machine (DNS rebinding): its visitor's browser would then take what is served here for the page's own. A client
 * that sends no host is not a browser.
 */
export function asksForOwnMachine({ headers: { host }, url }: IncomingMessage, allowed: readonly string[]): boolean {
  const asked = [host, ABSOLUTE.exec(url!)?.[1]].filter((each) => each !== undefined && each !== '');
  return asked.every((each) => isOwnHost(each!, allowed));
}

function isOwnHost(host: string, allowed: readonly string[]): boolean {
  const url = `http://${host}`;
  if (!HOST.test(host) || !URL.canParse(url)) return false;
  const { hostname } = new URL(url);
  return LOOPBACK_HOST.test(hostname) || allowed.includes(hostname);
}
