// Loaded into tests and the servers that they start (`npm run test:slow`): what a socket is sent arrives later, in order.
// Requests to an HTTP server are as fast as ever: its parser reads past the stream.
const { subscribe } = require('node:diagnostics_channel');
const { Socket } = require('node:net');
const { setTimeout: later, setImmediate: nextTurn } = require('node:timers/promises');

const LONGEST_MS = 40;

/** How many bytes are on their way to a socket at most; it is not read until they have arrived. */
const ON_THE_WAY = 64 * 1024;

const isSlow = new WeakSet();

/** @param {import('node:net').Socket} socket */
function slowDown(socket) {
  if (isSlow.has(socket)) return;
  isSlow.add(socket);
  const push = socket.push.bind(socket);
  const arriving = [];
  let bytes = 0;
  let isUnderWay = false;
  const arrive = async () => {
    isUnderWay = true;
    while (arriving.length > 0) {
      await later(Math.random() * LONGEST_MS);
      for (const chunk of arriving.splice(0)) {
        bytes -= chunk?.length ?? 0;
        if (!socket.destroyed && !push(chunk)) stopReading(socket._handle);
        else if (chunk === null) socket.read(0); // Who reads nothing hears of the end nevertheless, as without the delay.
        await nextTurn(); // What waits for one chunk comes before the next one.
      }
      if (socket.readableLength < socket.readableHighWaterMark) socket._read();
    }
    isUnderWay = false;
  };
  socket.push = (chunk) => {
    arriving.push(chunk);
    bytes += chunk?.length ?? 0;
    if (!isUnderWay) void arrive();
    return bytes < ON_THE_WAY;
  };
}

/** A sender has to feel that nobody reads, as without the delay. */
function stopReading(handle) {
  if (!handle?.reading) return;
  handle.reading = false;
  handle.readStop();
}

subscribe('net.server.socket', ({ socket }) => slowDown(socket));
const { value: connect } = Object.getOwnPropertyDescriptor(Socket.prototype, 'connect');
Socket.prototype.connect = function (...rest) {
  slowDown(this);
  return connect.apply(this, rest);
};
// Processes that are started here do the same, wherever they are started.
process.env.NODE_OPTIONS = `--require ${JSON.stringify(__filename)}`;
