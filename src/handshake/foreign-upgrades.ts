import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

/**
 * Newer versions of Node (24.9, 22.21) call this for each request with an `Upgrade`. If it returns false, the request
 * is handled like any other.
 */
interface AskingServer extends Server {
  shouldUpgradeCallback?: (request: IncomingMessage) => boolean;
}

/**
 * Older versions of Node have a parser at each socket. It hands over a request when the headers are read; `upgrade`
 * says whether there was an `Upgrade`.
 */
interface ParsedSocket extends Duplex {
  readonly parser?: { onIncoming?: (request: UpgradingMessage, ...rest: unknown[]) => unknown } | null;
}

interface UpgradingMessage extends IncomingMessage {
  upgrade: boolean | null;
}

/** The events with which a server gives a socket to HTTP. The second one is of a TLS server. */
const OPENINGS = ['connection', 'secureConnection'];

/**
 * Makes an HTTP server ignore an `Upgrade` to anything but WebSocket, as if that header were absent [RFC 9110 7.8].
 * Once there is a listener for upgrades, Node gives it every request with an `Upgrade`, with the body unread. Clients
 * that offer `h2c` with their first request, as Java's do, would not reach any route of the application. Returns a
 * function that undoes it.
 *
 * An application that listens for upgrades itself still gets them.
 */
export function ignoreForeignUpgrades(server: Server): () => void {
  const isTaken = (request: IncomingMessage) => offersWebSocket(request) || server.listenerCount('upgrade') > 1;
  const asking = server as AskingServer;
  const asked = asking.shouldUpgradeCallback;
  if (asked) {
    asking.shouldUpgradeCallback = (request) => asked.call(server, request) && isTaken(request);
    return () => (asking.shouldUpgradeCallback = asked);
  }
  const onConnection = ({ parser }: ParsedSocket) => {
    const onIncoming = parser?.onIncoming;
    if (!onIncoming) return;
    parser.onIncoming = (request, ...rest) => {
      if (request.method !== 'CONNECT' && !isTaken(request)) request.upgrade = false;
      return onIncoming.call(parser, request, ...rest);
    };
  };
  for (const opening of OPENINGS) server.on(opening, onConnection);
  return () => OPENINGS.forEach((opening) => server.off(opening, onConnection));
}

/** Whether a request asks to upgrade to WebSocket, among other protocols. */
function offersWebSocket({ headers: { upgrade } }: IncomingMessage): boolean {
  return upgrade !== undefined && upgrade.split(',').some((protocol) => protocol.trim().toLowerCase() === 'websocket');
}
