import type { INestApplication } from '@nestjs/common';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket, type ClientOptions } from 'ws';
import type { ServerEvents as JsonData } from '../protocol/wire.js';
import { withDeadline } from './deadline.js';

/** How a connection ended: the close code and the reason that the server gave. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** A frame of the JSON protocol. */
export type JsonFrame<Event extends keyof JsonData = keyof JsonData> = {
  [Name in Event]: { readonly event: Name; readonly data: JsonData[Name] };
}[Event];

/** A refusal of the upgrade, with the HTTP response. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly body: { statusCode: number; code: string; message: string },
    readonly headers: Readonly<Record<string, string | string[] | undefined>>,
  ) {
    super(`refused with ${status} ${JSON.stringify(body)}`);
  }
}

/** How many of the last frames an error shows, and how many characters of each. */
const SHOWN_FRAMES = 20;
const SHOWN_LENGTH = 200;

/**
 * A WebSocket client that misses nothing. It listens before it is open and keeps every frame in a queue. A listener that
 * is added to `socket` later misses what came together with the handshake; that is in `unread`. Every wait has a
 * deadline, after which it fails and says what did arrive. By default it replies to pings, as every client of RFC 6455
 * does.
 */
export class TestClient {
  readonly closed: Promise<Closed>;
  private readonly queue: string[] = [];
  private readonly seen: string[] = [];
  private seenCount = 0;
  private readonly waiting: { resolve: (frame: string) => void; reject: (error: Error) => void }[] = [];
  private end: Closed | null = null;

  protected constructor(readonly socket: WebSocket) {
    socket.on('message', (data: Buffer) => {
      const frame = data.toString();
      this.note(frame);
      const waiter = this.waiting.shift();
      if (waiter) waiter.resolve(frame);
      else this.queue.push(frame);
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.end = { code, reason: reason.toString() };
        for (const { reject } of this.waiting.splice(0)) reject(this.noFrame(this.end));
        resolve(this.end);
      });
    });
    socket.on('error', () => undefined); // Tests wait for 'close', which follows.
  }

  /**
   * Connects to an application that listens, as this user: with `?user=`, and with a bearer token in the
   * `Authorization` header if one is given. On a JSON connection the welcome has been read.
   */
  static async connect(
    app: INestApplication,
    user: string,
    { protocol = 'text', path = '/chat', token }: { protocol?: 'text' | 'json'; path?: string; token?: string } = {},
  ): Promise<TestClient> {
    const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
    const url = `ws://127.0.0.1:${port}${path}?user=${encodeURIComponent(user)}`;
    const options = token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } };
    if (protocol === 'text') return this.open(url, [], options);
    const client = await this.open(url, ['chat.v1.json'], options);
    await client.nextJson('welcome');
    return client;
  }

  /** Opens a connection; rejects with Refused if the server refuses the upgrade. */
  static async open(url: string, protocols: string[] = [], options: ClientOptions = {}): Promise<TestClient> {
    const socket = new WebSocket(url, protocols, options);
    const client = new this(socket);
    const opened = new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('unexpected-response', (_request, response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          reject(new Refused(response.statusCode!, text.startsWith('{') ? JSON.parse(text) : text, response.headers));
        });
      });
      socket.once('error', reject);
    });
    await withDeadline(opened, () => `connecting to ${url}`);
    return client;
  }

  send(frame: string | Buffer): void {
    this.socket.send(frame);
  }

  sendJson(event: string, data: unknown): void {
    this.send(JSON.stringify({ event, data }));
  }

  /** Returns the next frame, in the order of arrival; rejects when the connection is closed before it comes. */
  async next(): Promise<string> {
    const queued = this.queue.shift();
    if (queued !== undefined) return queued;
    if (this.end) throw this.noFrame(this.end);
    const arrival = new Promise<string>((resolve, reject) => this.waiting.push({ resolve, reject }));
    return withDeadline(arrival, () => `a frame; ${this.history()}`);
  }

  async take(count: number): Promise<string[]> {
    const frames: string[] = [];
    while (frames.length < count) frames.push(await this.next());
    return frames;
  }

  /** Returns the next JSON frame; rejects if it is not of the given event. */
  async nextJson<Event extends keyof JsonData = keyof JsonData>(event?: Event): Promise<JsonFrame<Event>> {
    const frame = JSON.parse(await this.next()) as JsonFrame<Event>;
    if (event === undefined || frame.event === event) return frame;
    throw new Error(`expected ${event}, got ${JSON.stringify(frame)}`);
  }

  /** Returns the next JSON frame of this event, and skips those before it. */
  async until<Event extends keyof JsonData>(event: Event): Promise<JsonFrame<Event>> {
    for (;;) {
      const frame = await this.nextJson();
      if (frame.event === event) return frame as JsonFrame<Event>;
    }
  }

  /** Frames that have arrived and were not read yet. */
  get unread(): readonly string[] {
    return this.queue;
  }

  async expectClose(code: number): Promise<Closed> {
    const closed = await withDeadline(this.closed, () => `a close; ${this.history()}`);
    if (closed.code !== code) throw new Error(`closed with ${closed.code} (${closed.reason}), not ${code}`);
    return closed;
  }

  /** Rejects if anything arrives before a marker that this client sends to itself. */
  async expectNothingElse(user: string): Promise<void> {
    const marker = `marker-${Math.random()}`;
    if (this.socket.protocol === 'chat.v1.json') this.sendJson('send', { to: user, content: marker });
    else this.send(`${user}|${marker}`);
    const frame = await this.next();
    if (!frame.includes(marker)) throw new Error(`expected nothing, got ${frame}`);
  }

  /** Closes the connection and waits until it is closed on this side. */
  async close(): Promise<void> {
    this.socket.close();
    await withDeadline(this.closed, () => 'a close');
  }

  /** Cuts the connection without a close frame. */
  async drop(): Promise<void> {
    this.socket.terminate();
    await withDeadline(this.closed, () => 'a close');
  }

  private note(frame: string): void {
    this.seenCount += 1;
    this.seen.push(frame.length > SHOWN_LENGTH ? `${frame.slice(0, SHOWN_LENGTH)}…` : frame);
    if (this.seen.length > SHOWN_FRAMES) this.seen.shift();
  }

  private noFrame({ code, reason }: Closed): Error {
    return new Error(`closed with ${code} (${reason}) before the next frame; ${this.history()}`);
  }

  private history(): string {
    return `${this.seenCount} came so far, at last ${JSON.stringify(this.seen)}`;
  }
}
