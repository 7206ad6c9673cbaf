import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * How many requests of one socket may wait for their turn. Node reads 64 KiB at once, which are no more requests than
 * this if each has 256 bytes of headers.
 */
export const MAX_WAITING_REQUESTS = 256;

/**
 * Handles the requests of one socket one after the other, each in its own turn of the event loop. Node hands over
 * everything that it has read at once. That may be thousands of small requests, and all other clients would wait until
 * the last of them is handled. While a request waits, the socket is not read. Requests that Node has already read still
 * wait: if they are too many, the socket is closed and `onTooMany` is called.
 */
export function inTurns(handle: Handler, onTooMany: () => void): Handler {
  /** The requests that wait, by their socket; empty while one is handled and none waits. */
  const queues = new WeakMap<Socket, [IncomingMessage, ServerResponse][]>();

  /** Pauses the socket again: Node resumes it at the end of each request, and whenever a body is read. */
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
      process.nextTick(() => hold.call(socket)); // Node resumes the socket after it has parsed this request.
    }
  };
}
