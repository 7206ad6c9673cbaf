import type { NestExpressApplication } from '@nestjs/platform-express';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer } from '../../src/server.js';

/** The standalone server, which serves the page, on a free port and with its own store. */
export class Site {
  /** Stays the same when it is stopped and started again. */
  readonly port: number;

  private constructor(
    private app: NestExpressApplication,
    private readonly folder: string,
    private readonly env: NodeJS.ProcessEnv,
  ) {
    this.port = (app.getHttpServer().address() as AddressInfo).port;
  }

  static async start(env: NodeJS.ProcessEnv = {}): Promise<Site> {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-page-'));
    return new Site(await Site.startIn(folder, 0, env), folder, env);
  }

  private static startIn(folder: string, port: number, env: NodeJS.ProcessEnv): Promise<NestExpressApplication> {
    return startServer({
      ...env,
      PORT: String(port),
      DATABASE_URL: `sqlite:${join(folder, 'holdfast.sqlite')}`,
      CHAT_PERSIST_AFTER_MS: '10000', // On a busy machine a page may take its time, and `delivered` is still to be seen.
    });
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Stops the server; returns a function that starts it again, at the same address and with the same store. */
  async stop(): Promise<() => Promise<void>> {
    const { port } = this;
    await this.app.close();
    return async () => {
      this.app = await Site.startIn(this.folder, port, this.env);
    };
  }

  async dispose(): Promise<void> {
    await this.app.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
