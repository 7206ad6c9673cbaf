import type { Writable } from 'node:stream';
import * as ws from 'ws';

// @types/ws leaves it out.
const { Receiver } = ws as unknown as { Receiver: new (options: object) => Writable };

/**
 * The frame parser of a client. It calls back for every frame in the bytes that are written to it, and for errors in
 * them.
 */
export function frameReader(on: {
  message(data: Buffer, isBinary: boolean): void;
  ping?(data: Buffer): void;
  pong?(data: Buffer): void;
  error?(error: Error): void;
}): Writable {
  const receiver = new Receiver({ isServer: false });
  for (const [event, listener] of Object.entries(on)) receiver.on(event, listener as () => void);
  return receiver;
}
