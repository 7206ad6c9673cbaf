import type { NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { getDataSourceToken } from '@nestjs/typeorm';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataSource } from 'typeorm';
import type { ClientOptions } from 'ws';
import { AppModule } from '../../src/app.module.js';
import {
  resolveAuthenticationOptions,
  type AuthenticationOptions,
} from '../../src/authentication/authentication.options.js';
import type { ClusterSettings } from '../../src/cluster/cluster.options.js';
import { ConnectionService } from '../../src/connections/connection.service.js';
import { storeOptions } from '../../src/database/store-options.js';
import type { LedgerTotals } from '../../src/delivery/ledger.js';
import { MetricsService } from '../../src/observability/metrics.service.js';
import { OfflineMessageService } from '../../src/offline-messages/offline-message.service.js';
import { DeliveryService } from '../../src/delivery/delivery.service.js';
import { mailboxKeyOf } from '../../src/delivery/mailbox-store.js';
import { resolveChatOptions, type GivenChatOptions } from '../../src/options/chat.options.js';
import { BACKLOG, equip, ImpatientExpressAdapter } from '../../src/server.js';
import { eventually } from './deadline.js';
import type { ManualClock } from './manual-clock.js';
import { NODES } from './test-nodes.js';
import { interceptStatements } from './statements.js';
import { TestClient } from './test-client.js';

/** A test sends a flood from one address. A test of these limits sets them. */
const UNLIMITED = {
  framesPerSecond: null,
  broadcastsPerSecond: null,
  signalsPerSecond: null,
  connectionsPerAddress: null,
};

/** All options that a test may set. */
export type TestOptions = GivenChatOptions & Partial<AuthenticationOptions> & { readonly cluster?: ClusterSettings };

/** The real application on a free port, with its store in its own folder, and the clients that a test opened. */
export class ChatApp {
  private clients: TestClient[] = [];

  protected constructor(
    readonly app: NestExpressApplication,
    readonly folder: string,
    private readonly options: TestOptions,
    private readonly databaseUrl: string | undefined,
  ) {}

  /**
   * `databaseUrl` is the address of the store when it is not a file in the folder. `before` is called before the
   * application is initialized.
   *
   * With `CHAT_TEST_NODES` it is so many nodes, where the test brings no database and no clock of its own.
   */
  static async start(
    options: TestOptions = {},
    folder?: string,
    databaseUrl?: string,
    before?: (app: NestExpressApplication) => void,
  ): Promise<ChatApp> {
    if (NODES > 1 && databaseUrl === undefined && before === undefined && options.clock === undefined) {
      const { ChatNodes } = await import('./chat-nodes.js'); // It extends this class.
      return ChatNodes.startAll(options, folder);
    }
    const home = folder ?? (await mkdtemp(join(tmpdir(), 'holdfast-')));
    const { authenticate, adminToken, insecure, cluster = null, ...chat } = options;
    const settings = {
      host: '127.0.0.1',
      port: 0,
      path: '/chat',
      databaseUrl: databaseUrl ?? `sqlite:${join(home, 'holdfast.sqlite')}`,
      chat: resolveChatOptions({ ...UNLIMITED, ...chat }),
      authentication: resolveAuthenticationOptions({ authenticate, adminToken, insecure }),
      userClaim: null,
      cluster,
    };
    const module = await Test.createTestingModule({ imports: [AppModule.forRoot(settings)] }).compile();
    const app = module.createNestApplication<NestExpressApplication>(
      new ImpatientExpressAdapter(settings.chat.handshakeMs),
      {
        logger: false,
        bodyParser: false,
      },
    );
    equip(app, settings);
    before?.(app);
    await app.init();
    app.getHttpServer().listen({ host: '127.0.0.1', port: 0, backlog: BACKLOG });
    await once(app.getHttpServer(), 'listening');
    return new ChatApp(app, home, options, databaseUrl);
  }

  get databaseFile(): string {
    const { database } = storeOptions(`sqlite:${join(this.folder, 'holdfast.sqlite')}`) as { database: string };
    return database;
  }

  get port(): number {
    return (this.app.getHttpServer().address() as AddressInfo).port;
  }

  get delivery(): DeliveryService {
    return this.app.get(DeliveryService);
  }

  get connections(): ConnectionService {
    return this.app.get(ConnectionService);
  }

  url(user: string): string {
    return `ws://127.0.0.1:${this.port}/chat?user=${encodeURIComponent(user)}`;
  }

  /** Opens a text connection. */
  async connect(user: string, options: ClientOptions = {}): Promise<TestClient> {
    return this.keep(await TestClient.open(this.url(user), [], options));
  }

  /** Opens a JSON connection and reads its welcome. */
  async connectJson(user: string, options: ClientOptions = {}): Promise<TestClient> {
    const client = this.keep(await TestClient.open(this.url(user), ['chat.v1.json'], options));
    await client.nextJson('welcome');
    return client;
  }

  keep(client: TestClient): TestClient {
    this.clients.push(client);
    return client;
  }

  /** Returns a new scrape, not the one that is shared for a moment. */
  async scrape(): Promise<Response> {
    this.app.get(MetricsService)['latest'] = null;
    return fetch(`http://127.0.0.1:${this.port}/metrics`);
  }

  /** Makes a REST call; returns the status and the parsed body. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  async rest(method: string, path: string, body?: unknown, token?: string): Promise<{ status: number; body: any }> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text ? JSON.parse(text) : null };
  }

  /** Waits until the server has noticed that a user's connections are gone. */
  async untilOffline(user: string): Promise<void> {
    await eventually(
      () => this.connections.ofUser(user).length === 0,
      () => `${user} is offline`,
    );
  }

  /** The server's side of the TCP connection of this user's first connection. */
  socketOf(user: string): Socket {
    return this.connections.ofUser(user)[0]!.reading['stream'] as Socket;
  }

  async untilOnline(user: string): Promise<void> {
    await eventually(
      () => this.connections.ofUser(user).length > 0,
      () => `${user} is online`,
    );
  }

  /** Lets this time pass in steps. In each step a sweep that is due comes to its end, and sets the time of the next. */
  async pass(clock: ManualClock, ms: number): Promise<void> {
    const end = clock.monotonic() + ms;
    while (clock.monotonic() < end) {
      clock.advance(Math.min(ms / 20, end - clock.monotonic()));
      for (let turn = 0; turn < 5; turn += 1) await this.delivery.pendingOf('nobody'); // It waits behind a sweep's queries.
    }
  }

  /** Waits until this number of messages waits for this user in the store. */
  async untilPending(user: string, count: number): Promise<void> {
    await eventually(
      async () => (await this.delivery.pendingOf(user)) === count,
      () => `${count} messages wait for ${user}`,
    );
  }

  /** Waits until the counters of the promise have these values. */
  async untilTotals(wanted: Partial<LedgerTotals>): Promise<void> {
    await eventually(
      () => {
        this.expectBalanced();
        const totals = this.delivery.totals;
        return Object.entries(wanted).every(([name, value]) => totals[name as keyof LedgerTotals] === value);
      },
      () => `${JSON.stringify(wanted)}; they read ${JSON.stringify(this.delivery.totals)}`,
    );
  }

  /** Makes every commit wait until it is released; `begun` resolves when one does. */
  blockDisk(): { begun: Promise<void>; release(): void } {
    const table = this.app.get(OfflineMessageService)['table'];
    const insert = table.insert.bind(table);
    let release = () => undefined as void;
    const released = new Promise<void>((resolve) => (release = resolve));
    let begin = () => undefined as void;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    table.insert = (...rows) => {
      begin();
      return released.then(() => insert(...rows));
    };
    return { begun, release };
  }

  /** Returns a list to which the statements of the store's connection are added from here on. */
  watchStatements(): readonly string[] {
    const statements: string[] = [];
    interceptStatements(this.app.get<DataSource>(getDataSourceToken('holdfast')), (sql, run) => {
      statements.push(sql);
      return run();
    });
    return statements;
  }

  /** How many messages were ever written to the disk. */
  storedEver(): number {
    const { counts } = this.app.get(OfflineMessageService);
    const { pending, recovered, confirmed, expired, purged, evicted, replaced } = counts;
    return pending + confirmed + expired + purged + evicted + replaced - recovered;
  }

  /** How many messages of this user's mailbox are in memory. */
  heldInMemory(user: string): number {
    return this.delivery['mailboxes'].get(mailboxKeyOf(user))?.['held'].size ?? 0;
  }

  /** The books balance: every accepted message is somewhere, or has one of the named ends [protocol 2.3]. */
  expectBalanced(): void {
    const { accepted, confirmed, pending, inFlight, expired, purged, evicted, replaced, handedOver } =
      this.delivery.totals;
    const ends = confirmed + pending + inFlight + expired + purged + evicted + replaced + handedOver;
    if (accepted !== ends) throw new Error(`the books do not balance: ${JSON.stringify(this.delivery.totals)}`);
  }

  /** Cuts off every client that a test opened, and waits until the server has noticed. */
  async dropAll(): Promise<void> {
    this.terminateAll();
    await eventually(() => this.connections.count === 0);
  }

  /** Drops the clients, checks the books and stops the server. The folder stays for the next start. */
  async stop(): Promise<string> {
    this.expectBalanced();
    this.terminateAll();
    await this.app.close();
    return this.folder;
  }

  protected terminateAll(): void {
    for (const client of this.clients) client.socket.terminate();
    this.clients = [];
  }

  async restart(): Promise<ChatApp> {
    return ChatApp.start(this.options, await this.stop(), this.databaseUrl);
  }

  async dispose(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
