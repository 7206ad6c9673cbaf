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
