import { Inject, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import {
  WebSocketGateway,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  type OnGatewayInit,
} from '@nestjs/websockets';
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { RawData, WebSocket } from 'ws';
import { ConnectionService } from '../connections/connection.service.js';
import { Delivery } from '../delivery/delivery.js';
import { HandshakeService, type AcceptedHandshake } from '../handshake/handshake.service.js';
import { chooseSubprotocol } from '../handshake/subprotocol.js';
import { GuardedWebSocketServer } from '../handshake/upgrade-router.js';
import { OF_CHAT } from '../host-gateways/gateway-hooks.js';
import { errors } from '../protocol/chat-error.js';
import { BROKEN_FRAME, CloseCode, FRAME_ERRORS } from '../protocol/close-code.js';
import type { ClientFrame, ControlFrame, RecordFrame } from '../protocol/frames.js';
import { ADAPTER_MISSING } from './adapter-check.js';
import { CLOSE_TIMEOUT_MS } from './chat-ws.adapter.js';
import { ChatSocket, type SocketHandler } from './chat.socket.js';
import { drain } from './drain.js';
import { JsonCodec } from './json.codec.js';
import { RecordFrames } from './record-frames.js';
import { SendContext } from './send-context.js';
import { SendQueue } from './send-queue.js';
import { Signals } from './signals.js';
import { TextCodec } from './text.codec.js';

/**
 * How many pieces one frame may arrive in (`maxBufferedChunks` of `ws`). One more closes the connection with 1008. Each
 * piece costs an object, so that a frame written byte by byte takes a hundred times its size. No network cuts data into
 * less than 536 bytes [RFC 9293 3.7.1], so a longer frame may have as many pieces as that makes.
 */
const MAX_CHUNKS = 1_024;
const SMALLEST_SEGMENT_BYTES = 536;

/** It has no state, so one serves all connections. */
const jsonCodec = new JsonCodec();

/**
 * The options of a chat's WebSocket server. The limits of a frame are set in `afterInit`, when the options of the chat
 * are known.
 */
export function serverOptions(path: string): Record<PropertyKey, unknown> {
  return {
    path,
    [OF_CHAT]: true,
    WebSocket: ChatSocket,
    perMessageDeflate: false,
    clientTracking: false, // ConnectionService tracks them.
    closeTimeout: CLOSE_TIMEOUT_MS,
    autoPong: false, // The gateway writes the pong, behind the refusals of the frames before the ping.
    handleProtocols: (offered: Set<string>) => chooseSubprotocol(offered) ?? false,
  };
}

/**
 * The entry of clients. It decodes frames, hands what is sent to delivery, and turns errors into frames and close
 * codes. Frames are handled one after the other, in the turn of the event loop in which they came. Only what a client
 * sends may have to wait.
 */
@WebSocketGateway(serverOptions('/chat'))
export class ChatGateway
  implements
    SocketHandler,
    OnGatewayInit,
    OnGatewayConnection,
    OnGatewayDisconnect,
    OnApplicationBootstrap,
    BeforeApplicationShutdown
{
  /** The send queue, and with it the connection, of each open WebSocket. */
  private readonly queues = new Map<WebSocket, SendQueue>();
  private readonly signals: Signals;
  private server: unknown;

  constructor(
    @Inject(HandshakeService) private readonly handshakes: HandshakeService,
    @Inject(ConnectionService) private readonly connections: ConnectionService,
    @Inject(Delivery) private readonly delivery: Delivery,
    @Inject(SendContext) private readonly context: SendContext,
    @Inject(RecordFrames) private readonly recordFrames: RecordFrames,
  ) {
    this.signals = new Signals(delivery);
  }

  afterInit(server: unknown): void {
    this.server = server;
    if (!(server instanceof GuardedWebSocketServer)) return;
    const { maxFrameBytes, maxFragments } = this.context.options;
    const maxBufferedChunks = Math.max(MAX_CHUNKS, Math.ceil(maxFrameBytes / SMALLEST_SEGMENT_BYTES));
    Object.assign(server.options, { maxPayload: maxFrameBytes, maxFragments, maxBufferedChunks });
    server.on('refused', (code: string) => this.handshakes.countRefusal(code));
    server.guard = (request) => this.handshakes.accept(request);
  }

  onApplicationBootstrap(): void {
    if (this.server instanceof GuardedWebSocketServer) return;
    if (this.server !== undefined) throw new Error(ADAPTER_MISSING);
    this.context.logger.log(
      'There is no HTTP server, so nobody can connect; ChatService sends, and what waits is stored.',
    );
  }

  /**
   * Opens the connection of an accepted client and starts its delivery. It never throws: that would end the process.
   */
  handleConnection(socket: ChatSocket, request: IncomingMessage, { origin, protocol }: AcceptedHandshake): void {
    const codec = protocol === 'json' ? jsonCodec : new TextCodec();
    const connection = this.connections.open(socket, request.socket, codec, origin);
    const queue = new SendQueue(connection, this.context);
    this.queues.set(socket, queue);
    socket.serve({ handler: this, queue, codec });
    this.delivery.attach(connection);
    connection.endTurn(); // The welcome and the first messages are sent together with the response to the handshake.
  }

  handleDisconnect(socket: WebSocket): void {
    const queue = this.queues.get(socket);
    if (!queue) return;
    const { connection } = queue;
    this.queues.delete(socket);
    void queue.flush();
    this.connections.remove(connection);
    this.delivery.detach(connection);
  }

  /**
   * Stores what is unconfirmed, closes all connections, and waits until they are gone. Nothing is lost, and a client
   * that replies to its close frame does not see 1006.
   */
  async beforeApplicationShutdown(): Promise<void> {
    this.handshakes.close();
    await this.delivery.leave();
    await drain(this.queues, this.delivery, this.context.options);
    await this.delivery.close();
  }

  handleFrame(queue: SendQueue, codec: JsonCodec | TextCodec, data: RawData, isBinary: boolean): void {
    const { connection } = queue;
    if (!connection.ending.mayConfirm) return;
    connection.handleFrame();
    const bytes = data as Buffer;
    // `ws` checks text frames.
    if (isBinary && !isUtf8(bytes)) return connection.revoke(CloseCode.BAD_UTF8, 'a binary frame has to be UTF-8');
    let frame: ClientFrame;
    try {
      frame = codec.decode(bytes, connection.user);
    } catch (error) {
      if (takeOverhead(queue)) queue.fail(error);
      return;
    }
    if ('seq' in frame) this.acknowledge(queue, frame.seq);
    else if (connection.isRevoked) takeOverhead(queue);
    else if ('request' in frame) this.askRecord(queue, frame);
    else if ('event' in frame) this.control(queue, frame);
    else queue.push(frame);
  }

  /** Handles a frame that waits for none of the messages that were sent before it. */
  private control(queue: SendQueue, frame: ControlFrame): void {
    if (frame.event === 'signal') {
      // Signals have a rate of their own. Beyond it they are dropped, and can be a flood.
      if (!this.signals.handle(queue, frame.signal)) takeOverhead(queue);
      return;
    }
    if (!takeOverhead(queue)) return;
    if (frame.event === 'ping') queue.connection.writePong();
    else void this.renew(queue, frame.token);
  }

  private askRecord(queue: SendQueue, frame: RecordFrame): void {
    if (!this.recordFrames.handle(queue, frame)) takeOverhead(queue);
  }

  private async renew(queue: SendQueue, token: string): Promise<void> {
    const { connection } = queue;
    try {
      connection.writeRenewed(await this.handshakes.renewals.renew(connection, token));
    } catch (error) {
      if (!connection.isRevoked) queue.fail(error);
    }
  }

  private acknowledge(queue: SendQueue, seq: number): void {
    const { connection } = queue;
    const confirmed = this.delivery.confirm(connection, seq);
    // There are at most as many acks that confirm something as messages. Only other acks can be a flood.
    if (confirmed === 0) takeOverhead(queue);
    if (confirmed !== null) return connection.ending.handleConfirmed(seq);
    queue.fail(errors.neverSent());
    connection.revoke(CloseCode.PROTOCOL_ERROR, 'acknowledged a seq that was never sent');
  }

  /**
   * Writes the pong behind the refusals of the frames before the ping, except those that have to wait. Receipts come at
   * the end of the turn.
   */
  handlePing(queue: SendQueue, payload: Buffer): void {
    const { connection } = queue;
    if (connection.isRevoked) return;
    connection.handleSignOfLife();
    if (takeOverhead(queue)) connection.writePong(payload);
  }

  handlePong(queue: SendQueue, payload: Buffer): void {
    const { connection } = queue;
    if (!connection.ending.mayConfirm) return;
    const seq = connection.handlePong(payload);
    if (seq === null) return void takeOverhead(queue);
    if (connection.protocol === 'json') return; // Only a text connection confirms this way [protocol 3.2].
    this.delivery.confirm(connection, seq);
    connection.ending.handleConfirmed(seq);
  }

  handleError({ connection }: SendQueue, { code }: NodeJS.ErrnoException): void {
    if (code?.startsWith('WS_ERR_')) connection.ending.handleBadFrame(FRAME_ERRORS[code] ?? BROKEN_FRAME);
  }

  /** What was read is handed over, and what was written is sent, whichever side closes first. */
  handleClosing(queue: SendQueue): void {
    void queue.flush();
    queue.connection.endTurn();
  }
}

/** Counts a frame that sends nothing. Returns false if there are too many: the connection is closed with 4429. */
function takeOverhead({ connection, rateLimits }: SendQueue): boolean {
  if (rateLimits.takeOverhead()) return true;
  connection.revoke(
    CloseCode.TOO_MANY_FRAMES,
    'too many pings, pongs, signals, unreadable frames or acks that confirm nothing',
  );
  return false;
}
