import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

/** Serves the files of a folder, as the web server of a built application does. */
export class AppServer {
  private constructor(private readonly server: Server) {}

  static async start(folder: string): Promise<AppServer> {
    const server = createServer((request, response) => {
      const { pathname } = new URL(request.url!, 'http://127.0.0.1');
      const path = normalize(pathname === '/' ? '/index.html' : pathname);
      try {
        const file = readFileSync(join(folder, path));
        response.writeHead(200, { 'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream' }).end(file);
      } catch {
        response.writeHead(404).end(); // A browser asks for an icon, too.
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new AppServer(server);
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}
