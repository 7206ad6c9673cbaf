import { isIP, SocketAddress } from 'node:net';
import proxyaddr from 'proxy-addr';

/** As proxies write an address that has a port, or is to have none: `203.0.113.7:50000`, `[2001:db8::7]:443`, `[2001:db8::7]`. */
const WRITTEN = /^(?:\[([^\]]+)\]|(\d+(?:\.\d+){3}))(?::\d{1,5})?$/;
/** An address of IPv4 as a socket for both families shows it [RFC 4291 2.5.5.2]. */
const MAPPED = /^::ffff:(\d+(?:\.\d+){3})$/;
/** Addresses of IPv4 behind a translator: all that there are share one network of 64 bits [RFC 6052 2.1]. */
const TRANSLATED = '64:ff9b::';
const GROUPS = 8;
const GROUPS_OF_NETWORK = 4;

const NAMED_NETWORKS: readonly string[] = ['loopback', 'linklocal', 'uniquelocal'];
const isOfLoopback = proxyaddr.compile('loopback');

/**
 * The address that a text is, in its only spelling: without a port and without a zone, which means something to the
 * machine that wrote it alone [RFC 4007 11.2]; null when it is no address, and is to be shown nowhere.
 */
export function parseAddress(text: string): string | null {
  const trimmed = text.trim();
  const [, inBrackets, beforePort] = WRITTEN.exec(trimmed) ?? [];
  const bare = inBrackets ?? beforePort ?? trimmed;
  const family = isIP(bare);
  if (family !== 6) return family === 4 ? bare : null;
  const { address } = new SocketAddress({ address: bare.split('%', 1)[0]!, family: 'ipv6' });
  return MAPPED.exec(address)?.[1] ?? address;
}

/** Whom the limits take for one, by an address in its only spelling: whoever has an address of IPv6 has all of its /64. */
export function customerOf(address: string): string {
  if (!address.includes(':') || address.startsWith(TRANSLATED)) return address;
  const [head, tail] = address.split('::').map((part) => (part === '' ? [] : part.split(':'))) as [string[], string[]?];
  const zeros = Array.from({ length: GROUPS - head.length - (tail?.length ?? 0) }, () => '0');
  return `${[...head, ...zeros, ...(tail ?? [])].slice(0, GROUPS_OF_NETWORK).join(':')}::/64`;
}

/** Whether nobody but this machine reaches an address. */
export function isLoopback(address: string): boolean {
  return isOfLoopback(address, 0);
}

/** Whether a text names addresses of proxies: one, a network such as `10.0.0.0/8`, or several by a name. A port or a zone would match nothing. */
export function isNetwork(text: string): boolean {
  if (NAMED_NETWORKS.includes(text)) return true;
  const [address] = text.split('/', 1) as [string];
  if (isIP(address) === 0 || address.includes('%')) return false;
  try {
    proxyaddr.compile(text);
    return true;
  } catch {
    return false; // It throws for what it can't read.
  }
}

/** Tells which addresses, in their only spelling, are of these networks. */
export function matcherOf(networks: readonly string[]): (address: string) => boolean {
  const matches = proxyaddr.compile([...networks]);
  return (address) => matches(address, 0);
}
