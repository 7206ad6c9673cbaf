import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../options/network-address.js';

/** As URLs spell them: names that lead every browser to its own machine, whatever a name server says [RFC 6761 6.3]. */
const LOOPBACK_HOST = /(^|\.)localhost\.?$|^127(\.\d{1,3}){3}$|^\[::1\]$|^\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\]$/;
/** What may stand in `Host`; a URL would take what is before an `@` for a user. */
const HOST = /^[^\s/?#@\\]+$/;
/** A target that names its host itself [RFC 9112 3.2.2]. */
const ABSOLUTE = /^(?:https?|wss?):\/\/([^/?#]*)/i;

/** Whether a request came to an address that nobody but this machine reaches. A socket of the file system has no address. */
export function cameByLoopback({ socket: { localAddress } }: IncomingMessage): boolean {
  return localAddress === undefined || isLoopback(localAddress);
}

/**
 * Whether a request asks for a host that is the own machine, or is named in `allowed`. A page of anywhere can have its own
 * name lead to this machine (DNS rebinding), and its visitor's browser then takes what is served here for the page's own.
 * Who names no host is no browser.
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
