import { jest } from '@jest/globals';
import { Controller, Get, Inject, Param, Post, Query } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { ExpressAdapter } from '@nestjs/platform-express';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { Test } from '@nestjs/testing';
import type { Server } from 'node:http';
import { io, type Socket } from 'socket.io-client';
import { ChatException, ChatModule, ChatService } from '../../../src/index.js';
import { IN_MEMORY } from '../../../src/testing/index.js';
import { withDeadline } from '../../support/deadline.js';
import { GatewayHost, signal } from '../../support/gateway-host.js';
import { catchLogLines } from '../../support/log-lines.js';
import { TestClient } from '../../support/test-client.js';

let host: GatewayHost | undefined;
afterEach(async () => {
  jest.restoreAllMocks();
  await host?.dispose();
  host = undefined;
});

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('a host with %s', (_, http) => {
  const call = async (method: string, path: string, { body, token }: { body?: string; token?: string } = {}) => {
    const response = await fetch(`http://127.0.0.1:${host!.port}${path}`, {
      method,
      headers: {
        ...(body ? { 'Content-Type': 'application/json' } : {}),
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
      },
      ...(body ? { body } : {}),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : null };
  };

  it('answers what a controller lets through of a ChatException with its status, and logs nothing', async () => {
    @Controller('shop')
    class ShopController {
      constructor(@Inject(ChatService) private readonly chat: ChatService) {}

      @Post(':to')
      async send(@Param('to') to: string, @Query('content') content: string) {
        return this.chat.send({ from: 'shop', to: to.replace('_', '|'), content });
      }

      @Get(':to')
      isOnline(@Param('to') to: string) {
        return this.chat.isOnline(to.replace('_', '|'));
      }
    }
    const limits = { maxContentBytes: 10, maxPendingBytesPerUser: 10, maxPendingPerSender: 1 };
    host = await GatewayHost.start({ http: http(), controllers: [ShopController], chat: limits });
    const lines = catchLogLines();
    expect(await call('POST', '/shop/bob?content=1')).toMatchObject({ status: 201 });
    for (const [request, status, code] of [
      ['POST /shop/a_b?content=x', 400, 'BAD_RECIPIENT'],
      ['GET /shop/a_b', 400, 'BAD_RECIPIENT'],
      ['POST /shop/bob?content=longer-than-ten', 413, 'CONTENT_TOO_LARGE'],
      ['POST /shop/bob?content=2', 429, 'SENDER_QUOTA'],
    ] as const) {
      const [method, path] = request.split(' ') as [string, string];
      const answer = await call(method, path);
      const scope = code === 'SENDER_QUOTA' ? { scope: 'mailbox' } : {};
      expect([answer.status, answer.body]).toEqual([
        status,
        { statusCode: status, code, message: expect.any(String), ...scope },
      ]);
    }
    expect(lines).toEqual([]);
    const refusal = host.app.get(ChatService).send({ from: 'shop', to: 'bob', content: '3' });
    await expect(refusal).rejects.toBeInstanceOf(ChatException);
    await expect(refusal).rejects.toMatchObject({
      code: 'SENDER_QUOTA',
      temporary: true,
      name: 'ChatException',
    });
  });

  it('has conversations and REST calls', async () => {
    host = await GatewayHost.start({ http: http() });
    await host.expectConversation();
    const dave = await host.chat('dave');
    const message = JSON.stringify({ from: 'alice', to: 'dave', content: 'by REST', id: 'r-1' });
    expect(await call('POST', '/chat/messages', { body: message })).toMatchObject({ status: 201 });
    // It is live, or delayed when the store has not been read yet.
    expect(await dave.next()).toMatch(/^(.*Z:)?by REST$/);
    expect(await call('POST', '/chat/messages', { body: message })).toMatchObject({ status: 200, body: { id: 'r-1' } });
    expect(await call('GET', '/chat/users/dave')).toMatchObject({ status: 200, body: { online: true } });
    expect(await call('GET', '/chat/connections?limit=x')).toMatchObject({
      status: 400,
      body: { code: 'BAD_REQUEST' },
    });
    expect(await call('GET', '/chat?user=eve')).toMatchObject({ status: 426, body: { code: 'UPGRADE_REQUIRED' } });
    expect(await call('GET', '/chat')).toMatchObject({ status: 400, body: { code: 'NO_USER' } });
    expect(await call('DELETE', '/chat/pending/carol')).toMatchObject({ status: 200, body: { purged: 0 } });
    expect((await call('POST', '/chat/tickets', { body: '{"user":"carol"}' })).headers.get('cache-control')).toBe(
      'no-store',
    );
    expect(await call('DELETE', '/chat/users/dave/connections')).toMatchObject({ body: { closed: 1 } });
    await dave.expectClose(4403);
  });

  it('answers a call without credentials with 401, and how to bring some', async () => {
    const adminToken = 'a-token-of-an-administrator-of-32-characters';
    host = await GatewayHost.start({ http: http(), chat: { adminToken } });
    const { status, headers, body } = await call('GET', '/chat/stats');
    expect([status, headers.get('www-authenticate'), body.code]).toEqual([401, 'Bearer', 'UNAUTHORIZED']);
    expect((await call('GET', '/chat/stats', { token: adminToken })).status).toBe(200);
  });
});

describe('beside Socket.IO', () => {
  /** Ends foreign upgrades after a millisecond, where a second is usual. */
  const HASTY = { destroyUpgradeTimeout: 1 };
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.disconnect();
  });

  @WebSocketGateway(HASTY as object)
  class RoomsGateway {
    @SubscribeMessage('echo')
    echo(@MessageBody() data: unknown) {
      return { event: 'echo', data };
    }
  }

  @WebSocketGateway({ namespace: 'failing' })
  class FailingGateway {
    async handleConnection() {
      throw new Error('broken hook');
    }
  }

  function connect(namespace = ''): Socket {
    const socket = io(`http://127.0.0.1:${host!.port}${namespace}`, { transports: ['websocket'], reconnection: false });
    sockets.push(socket);
    return socket;
  }
  const heard = (socket: Socket, event: string) =>
    withDeadline(new Promise<unknown>((resolve) => socket.once(event, resolve)), () => event);

  it.each([
    ['Express', () => new ExpressAdapter()],
    ['Fastify', () => new FastifyAdapter()],
  ])('both are served on one port, with %s', async (_, http) => {
    host = await GatewayHost.start({
      http: http(),
      providers: [RoomsGateway],
      options: (app) => ({ others: new IoAdapter(app) }),
    });
    const rooms = connect();
    await heard(rooms, 'connect');
    rooms.emit('echo', 'hello');
    expect(await heard(rooms, 'echo')).toBe('hello');
    await host.expectConversation();
    const left = heard(rooms, 'disconnect');
    await host.app.close();
    await left;
  });

  it('the chat is not cut when its authentication takes longer than Socket.IO waits', async () => {
    const [asked, authenticated] = [signal(), signal()];
    const authenticate = async () => {
      asked.give();
      await authenticated.given;
      return { user: 'alice' };
    };
    host = await GatewayHost.start({
      chat: { authenticate },
      providers: [RoomsGateway],
      options: (app) => ({ others: new IoAdapter(app) }),
    });
    const alice = host.chat('alice');
    await asked.given;
    // Socket.IO cuts upgrades that nobody handles after its timeout. The upgrade of the chat came before and is not
    // cut.
    await expect(TestClient.open(`ws://127.0.0.1:${host.port}/nothing`)).rejects.toThrow('socket hang up');
    authenticated.give();
    await (await alice).expectNothingElse('alice');
  });

  it('a hook of a Socket.IO gateway that fails costs its client the connection, and nobody else anything', async () => {
    host = await GatewayHost.start({
      providers: [RoomsGateway, FailingGateway],
      options: (app) => ({ others: new IoAdapter(app) }),
    });
    const rooms = connect();
    await heard(rooms, 'connect');
    await heard(connect('/failing'), 'disconnect');
    rooms.emit('echo', 'still here');
    expect(await heard(rooms, 'echo')).toBe('still here');
    await host.expectConversation();
  });
});

describe('a host without the adapter of the chat', () => {
  it.each([
    ['of Socket.IO', (app: object) => new IoAdapter(app)],
    ['of Nest for ws', (app: object) => new WsAdapter(app)],
    ['none', null],
  ])('but with the one %s does not start, and is told the line to add', async (_, adapter) => {
    await expect(GatewayHost.start({ adapter })).rejects.toThrow('app.useWebSocketAdapter(new ChatWsAdapter(app))');
  });

  it('is told so before Nest takes one of its own, or ends the process because there is none', async () => {
    const module = await Test.createTestingModule({ imports: [ChatModule.forRoot(IN_MEMORY)] }).compile();
    const app = module.createNestApplication({ logger: false });
    try {
      await expect(app.init()).rejects.toThrow('app.useWebSocketAdapter(new ChatWsAdapter(app))');
      expect((app.getHttpServer() as Server).listenerCount('upgrade')).toBe(0);
    } finally {
      await app.close();
    }
  });
});
