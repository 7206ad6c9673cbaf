import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { TestClient } from '../../support/test-client.js';

const OF_WEBSOCKETS = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'; // [RFC 6455 1.3]

/** A short text frame, as a server writes it. */
const frame = (text: string) => Buffer.from([0x81, text.length, ...Buffer.from(text)]);

let server: Server;
let line: Duplex;

/** Answers an upgrade with a message in the same write, as both come at once to a client that was busy. */
beforeEach(async () => {
  server = createServer();
  server.on('upgrade', ({ headers }, socket) => {
    line = socket;
    const key = createHash('sha1').update(`${headers['sec-websocket-key']}${OF_WEBSOCKETS}`).digest('base64');
    const fields = ['Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${key}`];
    const head = ['HTTP/1.1 101 Switching Protocols', ...fields, '', ''].join('\r\n');
    line.write(Buffer.concat([Buffer.from(head), frame('early')]));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(async () => {
  line.destroy();
  server.close();
  await once(server, 'close');
});

it('the client of the tests hears what comes together with the handshake', async () => {
  const { port } = server.address() as AddressInfo;
  const client = await TestClient.open(`ws://127.0.0.1:${port}`);
  const heard: string[] = [];
  client.listen((text) => heard.push(text));
  line.write(frame('later'));
  expect(await client.take(2)).toEqual(['early', 'later']);
  expect(heard).toEqual(['early', 'later']);
  line.destroy();
  await client.closed;
});

it('the client of the tests says why no frame comes any more, to who waits and to who asks later', async () => {
  const { port } = server.address() as AddressInfo;
  const client = await TestClient.open(`ws://127.0.0.1:${port}`);
  expect(await client.next()).toBe('early');
  const waiting = [client.next(), client.next()];
  const body = Buffer.from('..gone');
  body.writeUInt16BE(4409);
  line.end(Buffer.concat([frame('last'), Buffer.from([0x88, body.length]), body]));
  expect(await waiting[0]).toBe('last');
  const why = 'closed with 4409 (gone) before the next frame; 2 came so far, at last ["early","last"]';
  await expect(waiting[1]).rejects.toThrow(why);
  await expect(client.next()).rejects.toThrow(why);
});
