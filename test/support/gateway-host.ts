import { Module, type INestApplication, type Provider, type Type } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChatModule, ChatWsAdapter, type ChatWsAdapterOptions } from '../../src/index.js';
import { storeOptions } from '../../src/database/store-options.js';
import { TestClient } from './test-client.js';

type WebSocketAdapter = Parameters<INestApplication['useWebSocketAdapter']>[0];

export interface GatewayHostSettings {
  /** Providers of the host, mostly its gateways. */
  readonly providers?: Provider[];
  readonly controllers?: Type[];
  /** Options of the chat. */
  readonly chat?: Parameters<typeof ChatModule.forRoot>[0];
  /** Makes the WebSocket adapter of the application; null for none. */
  readonly adapter?: ((app: INestApplication) => WebSocketAdapter) | null;
  /** Options of the ChatWsAdapter, when `adapter` is not given. */
  readonly options?: (app: INestApplication) => ChatWsAdapterOptions;
  /** Express unless given. */
  readonly http?: AbstractHttpAdapter;
}

/** A host application that has imported the chat, on a free port, and the clients that a test opened. */
export class GatewayHost {
  private readonly clients: TestClient[] = [];

  private constructor(
    readonly app: INestApplication,
    private readonly folder: string,
  ) {}

  static async start({
    providers = [],
    controllers = [],
    chat,
    adapter,
    options,
    http,
  }: GatewayHostSettings = {}): Promise<GatewayHost> {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-host-'));
    const database = storeOptions(`sqlite:${join(folder, 'holdfast.sqlite')}`);

    @Module({
      imports: [ChatModule.forRoot({ connectionsPerAddress: null, database, ...chat })],
      providers,
      controllers,
    })
    class HostModule {}

    const module = await Test.createTestingModule({ imports: [HostModule] }).compile();
    const app = http
      ? module.createNestApplication(http, { logger: false })
      : module.createNestApplication({ logger: false });
    const makeAdapter = adapter === undefined ? () => new ChatWsAdapter(app, options?.(app)) : adapter;
    if (makeAdapter) app.useWebSocketAdapter(makeAdapter(app));
    const host = new GatewayHost(app, folder);
    try {
      await app.listen(0, '127.0.0.1');
    } catch (error) {
      await host.dispose();
      throw error;
    }
    return host;
  }

  get port(): number {
    return (this.app.getHttpServer().address() as AddressInfo).port;
  }

  async open(target: string, protocols: string[] = [], port = this.port): Promise<TestClient> {
    const client = await TestClient.open(`ws://127.0.0.1:${port}${target}`, protocols);
    this.clients.push(client);
    return client;
  }

  /** A text connection to the chat. */
  async chat(user: string): Promise<TestClient> {
    return this.open(`/chat?user=${user}`);
  }

  /** Checks that the chat works: a message from one user to another arrives. */
  async expectConversation(): Promise<void> {
    const [alice, bob] = [await this.chat('alice'), await this.chat('bob')];
    alice.send('bob|hello bob');
    // It is live, or delayed when the store has not been read yet.
    if (!(await bob.next()).endsWith('hello bob')) throw new Error('the chat does not deliver');
    await alice.close();
    await bob.close();
  }

  async dispose(): Promise<void> {
    for (const client of this.clients) client.socket.terminate();
    await this.app.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A promise that a test waits for, with its resolve function. */
export function signal(): { readonly given: Promise<void>; give(): void } {
  let give = () => undefined as void;
  const given = new Promise<void>((resolve) => (give = resolve));
  return { given, give };
}
