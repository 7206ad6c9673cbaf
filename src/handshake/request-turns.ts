import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Requests of one socket that may wait for their turn. Node reads 64 KiB at once: no client with 256 bytes of headers sends more. */
export const MAX_WAITING_REQUESTS = 256;

/**
 * Handles the requests of one socket one after the other, each in a turn of the event loop of its own. Node hands over at
 * once all that it has read, thousands of small ones, and would keep everybody waiting until the last of them is handled.
 * While one waits the socket is not read. What was read before is parsed already: when more wait than may, the socket is
 * closed, and `onTooMany` is told.
 */
export function inTurns(handle: Handler, onTooMany: () => void): Handler {
  /** What waits behind the request that is handled, by their socket. */
  const queues = new WeakMap<Socket, [IncomingMessage, ServerResponse][]>();

  /** Node resumes a socket at the end of each request, and whenever a body is read. */
  function hold(this: Socket): void {
    if ((queues.get(this)?.length ?? 0) > 0) this.pause();
  }
  const begin = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    response.once('close', () => {
      if (queues.get(socket)!.length > 0) setImmediate(proceed, socket);
      else queues.delete(socket);
    });
    handle(request, response);
  };
  const proceed = (socket: Socket) => {
    if (socket.destroyed) return;
    const queue = queues.get(socket)!;
    const [request, response] = queue.shift()!;
    if (queue.length === 0) socket.off('resume', hold).resume();
    begin(request, response);
  };

  return (request, response) => {
    const { socket } = request;
    if (socket.destroyed) return;
    const queue = queues.get(socket);
    if (!queue) {
      queues.set(socket, []);
      begin(request, response);
    } else if (queue.length >= MAX_WAITING_REQUESTS) {
      socket.destroy();
      onTooMany();
    } else if (queue.push([request, response]) === 1) {
      socket.on('resume', hold);
      process.nextTick(() => hold.call(socket)); // Not now: Node resumes it when it has parsed this one.
    }
  };
}
