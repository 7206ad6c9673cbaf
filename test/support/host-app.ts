import type { INestApplication, ModuleMetadata } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { AddressInfo } from 'node:net';
import { ChatWsAdapter } from '../../src/index.js';
import { TestClient } from '../../src/testing/index.js';

/** A host application with the chat, on a free port, with the clients that a test opened. */
export class HostApp {
  private readonly clients: TestClient[] = [];

  private constructor(readonly app: INestApplication) {}

  static async start(
    metadata: ModuleMetadata,
    prepare: (app: INestApplication) => void = (app) => app.useWebSocketAdapter(new ChatWsAdapter(app)),
  ): Promise<HostApp> {
    const module = await Test.createTestingModule(metadata).compile();
    const app = module.createNestApplication({ logger: false });
    prepare(app);
    try {
      await app.listen(0, '127.0.0.1');
    } catch (error) {
      await app.close();
      throw error;
    }
    return new HostApp(app);
  }

  get port(): number {
    return ((this.app.getHttpServer() as { address(): AddressInfo }).address() as AddressInfo).port;
  }

  async connect(user: string, how: { protocol?: 'text' | 'json'; path?: string } = {}): Promise<TestClient> {
    const client = await TestClient.connect(this.app, user, how);
    this.clients.push(client);
    return client;
  }

  async get(path: string): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`);
    return { status: response.status, body: await response.json() };
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.socket.terminate();
    await this.app.close();
  }
}
