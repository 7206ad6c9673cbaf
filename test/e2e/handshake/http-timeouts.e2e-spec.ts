import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ImpatientExpressAdapter } from '../../../src/server.js';
import { ChatApp } from '../../support/chat-app.js';
import { withDeadline } from '../../support/deadline.js';
import { RawClient } from '../../support/raw-client.js';
import { alone } from '../../support/test-nodes.js';

describe('a client that does not finish its request', () => {
  let server: Server;
  let port: number;
  beforeEach(async () => {
    const adapter = new ImpatientExpressAdapter(200, 400);
    adapter.initHttpServer();
    adapter.use((request: NodeJS.ReadableStream) => request.resume());
    server = adapter.getHttpServer() as Server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  it.each([
    ['writes nothing', ''],
    ['writes half a head', RawClient.handshake('/chat?user=bob').subarray(0, 40).toString()],
    ['writes half a body', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf'],
  ])('is answered 408 and cut off when it %s', async (_, request) => {
    const peer = await RawClient.connect(port);
    await peer.write(Buffer.from(request));
    await peer.until('HTTP/1.1 408 Request Timeout');
    await withDeadline(peer.closed, () => 'the end of the connection');
  });

  it('is waited for between two requests for longer than for one', async () => {
    const peer = await RawClient.connect(port);
    server.on('request', (_request, response) => response.end('answer'));
    for (let round = 0; round < 2; round += 1) {
      await peer.write(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
      await peer.until('answer');
      // Others that come meanwhile and never finish are cut off, each after its own timeout.
      if (round > 0) break;
      const late = await RawClient.connect(port);
      await late.write(Buffer.from('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf'));
      await late.closed;
    }
    peer.reset();
  });

  alone('metrics').it('is counted, and told why in JSON', async () => {
    const chat = await ChatApp.start({ handshakeMs: 1_000 });
    const answers = await Promise.all(
      ['GET /chat?user=bob HTTP/1.1\r\n', `GET / HTTP/1.1\r\nX: ${'x'.repeat(17_000)}`, 'no request\r\n\r\n'].map(
        async (request) => {
          const peer = await RawClient.connect(chat.port);
          await peer.write(Buffer.from(request));
          return `${await peer.until('\r\n\r\n')}${await peer.until('}')}`;
        },
      ),
    );
    expect(answers).toEqual([
      expect.stringMatching(/^HTTP\/1\.1 408 .*Connection: close.*"code":"REQUEST_TIMEOUT"/s),
      expect.stringMatching(/^HTTP\/1\.1 431 .*Connection: close.*"code":"HEADERS_TOO_LONG"/s),
      expect.stringMatching(/^HTTP\/1\.1 400 .*Connection: close.*"code":"BAD_HANDSHAKE"/s),
    ]);
    const metrics = await (await fetch(`http://127.0.0.1:${chat.port}/metrics`)).text();
    for (const code of ['REQUEST_TIMEOUT', 'HEADERS_TOO_LONG', 'BAD_HANDSHAKE'])
      expect(metrics).toContain(`holdfast_handshakes_refused_total{code="${code}"} 1\n`);
    await chat.dispose();
  });

  it('has 10 s for the head, 30 s for all of it, and 65 s until the next one', async () => {
    const chat = await ChatApp.start();
    expect(chat.app.getHttpServer()).toMatchObject({
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: 65_000,
    });
    await chat.dispose();
  });
});
