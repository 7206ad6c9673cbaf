import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

/** Since 24.9 and 22.21 Node asks this of a request with an `Upgrade`; on false it goes the way of all requests. */
interface AskingServer extends Server {
  shouldUpgradeCallback?: (request: IncomingMessage) => boolean;
}

/** What an older Node has at each socket: it hands over a request when its head is read, `upgrade` saying that the parser saw one. */
interface ParsedSocket extends Duplex {
  readonly parser?: { onIncoming?: (request: UpgradingMessage, ...rest: unknown[]) => unknown } | null;
}

interface UpgradingMessage extends IncomingMessage {
  upgrade: boolean | null;
}

/** A TLS server shows its sockets to HTTP with the second. */
const OPENINGS = ['connection', 'secureConnection'];

/**
 * Makes an HTTP server handle a request with an `Upgrade` that is no WebSocket as if that header were absent [RFC 9110 7.8].
 * Once there is a listener for upgrades, Node gives it all of them, with the body unread: clients that offer `h2c` with their
 * first request, as Java's do, would reach no route of the application. Answers how to undo it.
 *
 * Where the application listens for upgrades itself, it gets those, as it would without the chat.
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

/** Whether WebSocket is among the protocols that a request would change to. */
function offersWebSocket({ headers: { upgrade } }: IncomingMessage): boolean {
  return upgrade !== undefined && upgrade.split(',').some((protocol) => protocol.trim().toLowerCase() === 'websocket');
}
