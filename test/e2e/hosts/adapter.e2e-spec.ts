import {
  Injectable,
  Logger,
  Scope,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type LoggerService,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';
import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WsException,
  type GatewayMetadata,
} from '@nestjs/websockets';
import { createServer, type AddressInfo } from 'node:net';
import { NEVER, of } from 'rxjs';
import type { WebSocket } from 'ws';
import { eventually, withDeadline } from '../../support/deadline.js';
import { GatewayHost, signal } from '../../support/gateway-host.js';
import { holdTimers } from '../../support/held-timers.js';
import { RawClient } from '../../support/raw-client.js';
import type { TestClient } from '../../support/test-client.js';

let host: GatewayHost;
afterEach(() => host?.dispose());

/** A gateway of the host that echoes, with whatever else a test gives it. */
function gatewayAt(path: string, hooks: object = {}, options: object = {}): Type {
  @WebSocketGateway({ path, ...options } as GatewayMetadata)
  class EchoGateway {
    @SubscribeMessage('echo')
    echo(@MessageBody() data: unknown) {
      return { event: 'echo', data };
    }
  }
  Object.assign(EchoGateway.prototype, hooks);
  return EchoGateway;
}

/** Waits until the server has read all that this client has sent so far. */
async function untilRead({ socket }: TestClient): Promise<void> {
  const pong = new Promise((resolve) => socket.once('pong', resolve));
  socket.ping();
  await withDeadline(pong, () => 'a pong');
}

async function expectEcho(client: TestClient): Promise<void> {
  client.sendJson('echo', 'hello');
  expect(await client.nextJson()).toEqual({ event: 'echo', data: 'hello' });
}

/** Returns what is logged as an error meanwhile. */
function errorLines(): string[] {
  const lines: string[] = [];
  const keep = (...line: unknown[]) => void lines.push(line.map(String).join(' '));
  const silent = () => undefined;
  const logger: LoggerService = { log: silent, warn: silent, debug: silent, error: keep };
  Logger.overrideLogger(logger);
  return lines;
}
afterEach(() => Logger.overrideLogger(false));

describe('a malformed upgrade that is reset', () => {
  const TARGETS = ['//', '/%', '/%00', '/\0', '///x', 'x://', '/chat', '/chat?user=%ff', '/other'];
  let asked: number;
  let authenticated: ReturnType<typeof signal>;

  beforeEach(async () => {
    asked = 0;
    authenticated = signal();
    const authenticate = async (request: { url?: string }) => {
      asked += 1;
      await authenticated.given;
      const user = new URLSearchParams(request.url!.split('?')[1]).get('user');
      return user === null ? null : { user };
    };
    host = await GatewayHost.start({ chat: { authenticate } });
  });

  async function expectConversation(): Promise<void> {
    authenticated.give();
    await host.expectConversation();
  }

  it.each([
    ['at once', 0],
    ['after a byte', 1],
    ['after the request', Infinity],
  ])('%s does not end the process', async (_, bytes) => {
    for (let round = 0; round < 12; round += 1) {
      await Promise.all(
        [...TARGETS, '/chat?user=alice'].map(async (target) => {
          const peer = await RawClient.connect(host.port);
          if (bytes > 0) await peer.write(RawClient.handshake(target).subarray(0, bytes));
          peer.reset();
          await withDeadline(peer.closed, () => 'the reset is done');
        }),
      );
    }
    await expectConversation();
  });

  it('after the answer does not end the process', async () => {
    authenticated.give();
    for (let round = 0; round < 12; round += 1) {
      await Promise.all(
        TARGETS.map(async (target) => {
          const peer = await RawClient.connect(host.port);
          await peer.write(RawClient.handshake(target));
          await peer.until('HTTP/1.1 4');
          peer.reset();
          await withDeadline(peer.closed, () => 'the reset is done');
        }),
      );
    }
    await expectConversation();
  });

  it.each(['alice', '%ff', ''])('while %j is authenticated does not end the process', async (user) => {
    const peers = await Promise.all(Array.from({ length: 30 }, () => RawClient.connect(host.port)));
    for (const peer of peers) await peer.write(RawClient.handshake(`/chat?user=${user}`));
    await eventually(() => asked === peers.length);
    for (const peer of peers) peer.reset();
    await Promise.all(peers.map((peer) => peer.closed));
    await expectConversation();
  });
});

describe('a hook of a gateway of the host that fails', () => {
  const failures: [string, () => unknown][] = [
    [
      'throws',
      () => {
        throw new Error('broken hook');
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken hook'))],
    [
      'throws nothing that is an error',
      () => {
        throw undefined;
      },
    ],
  ];

  it.each(failures)(
    'costs its client the connection when handleConnection %s, and nobody else anything',
    async (_, fail) => {
      let failing = true;
      host = await GatewayHost.start({
        providers: [gatewayAt('/events', { handleConnection: () => (failing ? fail() : undefined) })],
      });
      const errors = errorLines();
      const alice = await host.chat('alice');
      await (await host.open('/events')).expectClose(1011);
      expect(errors).toEqual([
        expect.stringMatching(/^EchoGateway\.handleConnection failed.*(broken hook|undefined)/s),
      ]);
      failing = false;
      await expectEcho(await host.open('/events'));
      await alice.expectNothingElse('alice');
    },
  );

  it.each(failures)('is logged when handleDisconnect %s, and nobody else notices', async (_, fail) => {
    const failed = signal();
    host = await GatewayHost.start({
      providers: [gatewayAt('/events', { handleDisconnect: () => (failed.give(), fail()) })],
    });
    const errors = errorLines();
    const [alice, other] = [await host.chat('alice'), await host.open('/events')];
    await (await host.open('/events')).close();
    await failed.given;
    await expectEcho(other);
    await alice.expectNothingElse('alice');
    expect(errors).toEqual([expect.stringMatching(/^EchoGateway\.handleDisconnect failed/)]);
  });

  it.each(failures)('costs no more when the gateway is made for every client, and %s', async (_, fail) => {
    @Injectable({ scope: Scope.REQUEST })
    @WebSocketGateway({ path: '/events' })
    class ScopedGateway {
      handleConnection() {
        return fail();
      }
    }
    host = await GatewayHost.start({ providers: [ScopedGateway] });
    const errors = errorLines();
    await (await host.open('/events')).expectClose(1011);
    expect(errors).toEqual([expect.stringMatching(/^ScopedGateway\.handleConnection failed/)]);
    await host.expectConversation();
  });
});

describe('a gateway of the host that can not be changed', () => {
  it.each([
    ['is frozen', (gateway: object) => Object.freeze(gateway)],
    ['has the hook as a getter', asGetter],
    ['is a Proxy', (gateway: object) => new Proxy(gateway, {})],
    ['is a frozen Proxy', (gateway: object) => new Proxy(Object.freeze(gateway), {})],
  ])('starts where it %s, and its hook that fails costs one connection', async (_, make) => {
    @WebSocketGateway({ path: '/events' })
    class FixedGateway {
      constructor() {
        return make(this) as FixedGateway;
      }
      handleConnection(): void {
        throw new Error('broken hook');
      }
    }
    host = await GatewayHost.start({ providers: [FixedGateway] });
    const errors = errorLines();
    await (await host.open('/events')).expectClose(1011);
    expect(errors).toEqual([expect.stringMatching(/^FixedGateway\.handleConnection failed.*broken hook/s)]);
    await host.expectConversation();
  });

  function asGetter(gateway: { handleConnection?: () => void }): object {
    const { handleConnection } = gateway;
    return Object.defineProperty(gateway, 'handleConnection', { get: () => handleConnection, configurable: true });
  }
});

class Passing implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler) {
    return next.handle();
  }
}

describe('the frames of a connection to a gateway of the host', () => {
  let handled: string[];

  @WebSocketGateway({ path: '/events' })
  class EventsGateway {
    readonly clients: WebSocket[] = [];
    private gate = signal();

    handleConnection(client: WebSocket) {
      this.clients.push(client);
    }

    @SubscribeMessage('slow')
    async slow(@MessageBody() name: string) {
      handled.push(`${name} begins`);
      await this.gate.given;
      handled.push(`${name} ends`);
      return { event: 'slow', data: name };
    }

    @SubscribeMessage('fast')
    fast(@MessageBody() name: string) {
      handled.push(name);
      return { event: 'fast', data: name };
    }

    @SubscribeMessage('wait')
    @UseInterceptors(new Passing())
    behindInterceptor(@MessageBody() name: string) {
      return this.slow(name);
    }

    @SubscribeMessage('never')
    never() {
      return NEVER;
    }

    @SubscribeMessage('many')
    many() {
      return of({ event: 'one' }, { event: 'two' });
    }

    @SubscribeMessage('bad')
    bad() {
      throw new WsException('not so');
    }

    @SubscribeMessage('cyclic')
    cyclic(@ConnectedSocket() client: WebSocket) {
      return { event: 'cyclic', data: { client, big: 1n } };
    }

    /** Lets the slow ones go on. */
    release(): void {
      this.gate.give();
      this.gate = signal();
    }
  }

  beforeEach(async () => {
    handled = [];
    host = await GatewayHost.start({ providers: [EventsGateway] });
  });
  const release = () => host.app.get(EventsGateway).release();

  it.each(['slow', 'wait'])('never overtake each other: a fast one waits for a %s one', async (slow) => {
    const client = await host.open('/events');
    client.sendJson(slow, 'first');
    client.sendJson('fast', 'second');
    client.sendJson('bad', null);
    await untilRead(client);
    const other = await host.open('/events');
    other.sendJson('fast', 'of another');
    expect(await other.nextJson()).toEqual({ event: 'fast', data: 'of another' });
    release();
    expect(await client.nextJson()).toEqual({ event: 'slow', data: 'first' });
    expect(await client.nextJson()).toEqual({ event: 'fast', data: 'second' });
    expect(await client.nextJson('exception')).toMatchObject({ data: { status: 'error', message: 'not so' } });
    expect(handled).toEqual(['first begins', 'of another', 'first ends', 'second']);
  });

  it('are answered as by the stock adapter: from an Observable, and by silence to what nobody handles', async () => {
    const client = await host.open('/events');
    for (const frame of ['not JSON', 'null', '[]', '{"event":"unknown"}', '{"data":1}', Buffer.from([0xff])])
      client.send(frame);
    client.sendJson('many', null);
    client.sendJson('fast', 'marker');
    expect([await client.nextJson(), await client.nextJson()]).toEqual([{ event: 'one' }, { event: 'two' }]);
    expect((await client.nextJson()).data).toBe('marker');
  });

  it('go on behind an Observable that has no value yet', async () => {
    const client = await host.open('/events');
    client.sendJson('never', null);
    client.sendJson('fast', 'goes on');
    expect((await client.nextJson()).data).toBe('goes on');
  });

  it('survive a result that is not JSON', async () => {
    const errors = errorLines();
    const client = await host.open('/events');
    client.sendJson('cyclic', null);
    client.sendJson('fast', 'goes on');
    expect((await client.nextJson()).data).toBe('goes on');
    expect(errors).toHaveLength(1);
  });

  it('wait in the socket of their client when they are many, and are all handled, even when it has left', async () => {
    const client = await host.open('/events');
    client.sendJson('slow', 'first');
    for (let n = 0; n < 2_000; n += 1) client.sendJson('fast', 'x'.repeat(100));
    const closed = client.close();
    const [socket] = host.app.get(EventsGateway).clients;
    await eventually(() => socket!.isPaused);
    expect(handled).toEqual(['first begins']);
    release();
    await closed;
    await eventually(
      () => handled.length === 2_002,
      () => `${handled.length} of 2,002`,
    );
  });
});

describe('the frames that come while an asynchronous handleConnection runs', () => {
  let greeted: ReturnType<typeof signal>;
  let fails: boolean;
  const events: string[] = [];

  @WebSocketGateway({ path: '/events' })
  class GreetingGateway {
    async handleConnection() {
      await greeted.given;
      if (fails) throw new Error('not welcome');
      events.push('greeted');
    }

    @SubscribeMessage('say')
    say(@MessageBody() data: string) {
      events.push(data);
      return { event: 'said', data };
    }
  }

  beforeEach(async () => {
    greeted = signal();
    events.length = 0;
    host = await GatewayHost.start({ providers: [GreetingGateway] });
  });

  /** A client whose frame the server has. */
  async function early(): Promise<TestClient> {
    const client = await host.open('/events');
    client.sendJson('say', 'early');
    await untilRead(client);
    return client;
  }

  it('are handled when it is done', async () => {
    fails = false;
    const client = await early();
    expect(events).toEqual([]);
    greeted.give();
    expect(JSON.parse(await client.next())).toMatchObject({ event: 'said', data: 'early' });
    expect(events).toEqual(['greeted', 'early']);
  });

  it('are never handled when it fails', async () => {
    fails = true;
    const client = await early();
    greeted.give();
    await client.expectClose(1011);
    expect(client.unread).toEqual([]);
    expect(events).toEqual([]);
  });
});

describe('the end of the application', () => {
  it('closes the clients of its gateways with 1001', async () => {
    host = await GatewayHost.start({ providers: [gatewayAt('/events')] });
    const clients = [await host.open('/events'), await host.open('/events'), await host.chat('alice')];
    await host.app.close();
    for (const client of clients) expect((await client.expectClose(1001)).reason).toMatch(/going away/);
  });

  it('waits 5 s for a client that does not answer, and no longer', async () => {
    host = await GatewayHost.start({ providers: [gatewayAt('/events')] });
    const silent = await RawClient.open(host.port, '/events');
    const timers = holdTimers(5_000);
    try {
      const closed = host.app.close();
      await silent.until('going away');
      timers.fire();
      await withDeadline(closed, () => 'the end of the application');
      expect(await silent.nextFrame()).toBeNull();
    } finally {
      timers.release();
    }
  });
});

describe('gateways of the host', () => {
  it('have paths of their own, written with or without slashes around', async () => {
    host = await GatewayHost.start({ providers: [gatewayAt('events/'), gatewayAt('/more/events')] });
    await expectEcho(await host.open('/events'));
    await expectEcho(await host.open('/more/events?with=query'));
    await host.expectConversation();
    await expect(host.open('/nothing')).rejects.toMatchObject({ status: 404, body: { code: 'NO_SUCH_PATH' } });
  });

  it.each(['/chat', 'chat', '/chat/'])('are refused at the start at %s, the path of the chat', async (path) => {
    const start = GatewayHost.start({ providers: [gatewayAt(path)] });
    await expect(start).rejects.toThrow(/^Two gateways are at .*chat.*EchoGateway.*ChatModule\.forRoot\(\{ path/);
  });

  it('are refused at the start when they ask for a namespace, as by the stock adapter', async () => {
    const start = GatewayHost.start({ providers: [gatewayAt('/events', {}, { namespace: 'rooms' })] });
    await expect(start).rejects.toThrow(/"WsAdapter" does not support namespaces/);
  });

  it.each([
    ['with a path', '/own'],
    ['without one', undefined],
  ])('work on a port of their own %s, and malformed upgrades harm nobody there', async (_, path) => {
    const port = await freePort();
    @WebSocketGateway(port, path === undefined ? {} : { path })
    class OwnPortGateway {
      @SubscribeMessage('echo')
      echo(@MessageBody() data: unknown) {
        return { event: 'echo', data };
      }
    }
    host = await GatewayHost.start({ providers: [OwnPortGateway] });
    const client = await host.open(path ?? '/', [], port);
    for (const target of ['//', '/%', 'x://', '/other']) {
      const peer = await RawClient.connect(port);
      await peer.write(RawClient.handshake(target));
      peer.reset();
      await peer.closed;
    }
    await expectEcho(client);
    await expectEcho(await host.open(path ?? '/', [], port));
    await host.expectConversation();
    await host.app.close();
    await client.expectClose(1001);
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
