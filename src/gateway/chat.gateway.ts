import { Inject, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import {
  WebSocketGateway,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  type OnGatewayInit,
} from '@nestjs/websockets';
import type { IncomingMessage } from 'node:http';
import type { RawData, WebSocket } from 'ws';
import type { Connection } from '../connections/connection.js';
import { ConnectionService } from '../connections/connection.service.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import { HandshakeService, type AcceptedHandshake } from '../handshake/handshake.service.js';
import { chooseSubprotocol } from '../handshake/subprotocol.js';
import { GuardedWebSocketServer } from '../handshake/upgrade-router.js';
import { OF_CHAT } from '../host-gateways/gateway-hooks.js';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { ChatError, errors } from '../protocol/chat-error.js';
import { BROKEN_FRAME, CloseCode, FRAME_ERRORS } from '../protocol/close-code.js';
import type { ClientFrame } from '../protocol/frames.js';
import { ADAPTER_MISSING } from './adapter-check.js';
import { CLOSE_TIMEOUT_MS } from './chat-ws.adapter.js';
import { ChatSocket } from './chat.socket.js';
import { sayGoodbye, type Client } from './goodbye.js';
import { JsonCodec } from './json.codec.js';
import { AUTHORIZE, Policy, type Authorize } from './policy.js';
import { SendQueue, type SendQueueSurroundings } from './send-queue.js';
import { TextCodec } from './text.codec.js';

/**
 * Pieces in which one frame may arrive, `maxBufferedChunks` of `ws`; one more closes with 1008. Each costs an object, so
 * that a frame written byte by byte costs a hundred times its size. No network cuts data smaller than 536 bytes
 * [RFC 9293 3.7.1]: longer frames than the default may come in as many pieces as that makes.
 */
const MAX_CHUNKS = 1_024;
const SMALLEST_SEGMENT_BYTES = 536;

/** It keeps nothing of a connection, so one serves all. */
const jsonCodec = new JsonCodec();

/** What a WebSocket server of a chat is told when it is made; the limits of a frame follow when the options are known. */
export function serverOptions(path: string): Record<PropertyKey, unknown> {
  return {
    path,
    [OF_CHAT]: true,
    WebSocket: ChatSocket,
    perMessageDeflate: false,
    clientTracking: false, // ConnectionService does that.
    closeTimeout: CLOSE_TIMEOUT_MS,
    autoPong: false, // Connection answers pings, in their order among the frames.
    handleProtocols: (offered: Set<string>) => chooseSubprotocol(offered) ?? false,
  };
}

/**
 * Where clients come in: it decodes frames into commands, hands them to delivery, and turns errors into frames and close
 * codes. Frames are handled one after the other, in the turn of the event loop in which they came; only what a client
 * sends to others may have to wait.
 */
@WebSocketGateway(serverOptions('/chat'))
export class ChatGateway
  implements
    OnGatewayInit,
    OnGatewayConnection,
    OnGatewayDisconnect,
    OnApplicationBootstrap,
    BeforeApplicationShutdown,
    SendQueueSurroundings
{
  private readonly logger = new Logger('ChatGateway');
  private readonly clients = new Map<WebSocket, Client>();
  readonly policy: Policy | null;
  private server: unknown;

  constructor(
    @Inject(CHAT_OPTIONS) readonly options: ChatOptions,
    @Inject(HandshakeService) private readonly handshakes: HandshakeService,
    @Inject(ConnectionService) private readonly connections: ConnectionService,
    @Inject(DeliveryService) readonly delivery: DeliveryService,
    @Inject(AUTHORIZE) authorize: Authorize | null,
  ) {
    this.policy = authorize && new Policy(authorize, options.clock);
  }

  afterInit(server: unknown): void {
    this.server = server;
    if (!(server instanceof GuardedWebSocketServer)) return;
    const { maxFrameBytes, maxFragments } = this.options;
    const maxBufferedChunks = Math.max(MAX_CHUNKS, Math.ceil(maxFrameBytes / SMALLEST_SEGMENT_BYTES));
    Object.assign(server.options, { maxPayload: maxFrameBytes, maxFragments, maxBufferedChunks });
    server.on('refused', (code: string) => this.handshakes.countRefusal(code));
    server.guard = (request) => this.handshakes.accept(request);
  }

  onApplicationBootstrap(): void {
    if (this.server instanceof GuardedWebSocketServer) return;
    if (this.server !== undefined) throw new Error(ADAPTER_MISSING);
    this.logger.log('There is no HTTP server, so nobody can connect; ChatService sends, and what waits is stored.');
  }

  /** Opens the connection of an admitted client and lets it receive. It never throws: that would end the process. */
  handleConnection(socket: WebSocket, request: IncomingMessage, { origin, protocol }: AcceptedHandshake): void {
    const codec = protocol === 'json' ? jsonCodec : new TextCodec();
    const connection = this.connections.open(socket, request.socket, codec, origin);
    const queue = new SendQueue(connection, this);
    this.clients.set(socket, { connection, queue });
    socket.on('closing', () => {
      void queue.flush(); // What was read is taken, whichever side begins the goodbye.
      connection.endTurn();
    });
    socket.on('message', (data, isBinary) => this.onFrame(connection, queue, codec, data, isBinary));
    socket.on('error', (error) => onBadFrame(connection, error));
    socket.on('ping', (payload) => connection.onPing(payload));
    socket.on('pong', (payload) => this.onPong(connection, payload));
    this.delivery.attach(connection);
    connection.endTurn(); // What it is greeted with leaves with the answer to the handshake.
  }

  handleDisconnect(socket: WebSocket): void {
    const client = this.clients.get(socket);
    if (!client) return;
    const { connection, queue } = client;
    this.clients.delete(socket);
    void queue.flush();
    this.connections.remove(connection);
    this.delivery.detach(connection);
  }

  /** Stores what is unconfirmed, says goodbye to everybody, and waits until they are gone; nothing is lost and nobody who answers sees 1006. */
  async beforeApplicationShutdown(): Promise<void> {
    this.handshakes.close();
    await sayGoodbye(this.clients, this.delivery, this.options);
    await this.delivery.close();
  }

  onError(connection: Connection, error: unknown): void {
    if (error instanceof ChatError) return connection.onRefused(error);
    this.logger.error(error);
    connection.revoke(CloseCode.SERVER_ERROR, 'the server failed; reconnect later');
  }

  private onFrame(
    connection: Connection,
    queue: SendQueue,
    codec: JsonCodec | TextCodec,
    data: RawData,
    isBinary: boolean,
  ): void {
    if (connection.isRevoked) return;
    connection.onFrame();
    const text = isBinary ? decodeUtf8(data as Buffer) : (data as Buffer).toString();
    if (text === null) return connection.revoke(CloseCode.BAD_UTF8, 'a binary frame has to be UTF-8');
    let frame: ClientFrame;
    try {
      frame = codec.decode(text, connection.user);
    } catch (error) {
      if (connection.mayOverhead()) this.onError(connection, error);
      return;
    }
    if ('seq' in frame) this.acknowledge(connection, frame.seq);
    else queue.push(frame);
  }

  private acknowledge(connection: Connection, seq: number): void {
    const confirmed = this.delivery.confirm(connection, seq);
    // Acks that confirm something are as many as the messages; only others can be a flood.
    if (confirmed === 0) connection.mayOverhead();
    if (confirmed !== null) return;
    connection.onRefused(errors.neverSent());
    connection.revoke(CloseCode.PROTOCOL_ERROR, 'acknowledged a seq that was never sent');
  }

  private onPong(connection: Connection, payload: Buffer): void {
    const seq = connection.onPong(payload);
    if (seq !== null) this.delivery.confirm(connection, seq);
  }
}

function onBadFrame(connection: Connection, error: NodeJS.ErrnoException): void {
  if (error.code?.startsWith('WS_ERR_')) connection.onBadFrame(FRAME_ERRORS[error.code] ?? BROKEN_FRAME);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeUtf8(data: Buffer): string | null {
  try {
    return utf8.decode(data);
  } catch {
    return null; // The only error there is: the bytes are not UTF-8.
  }
}
