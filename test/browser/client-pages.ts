import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import type { ClientOptions, ConnectionState, ReceivedMessage } from '../../client/src/api.js';

const ROOT = join(import.meta.dirname, '../..');
const ESBUILD = join(ROOT, 'tools/node_modules/.bin/esbuild');
const PAGE = join(import.meta.dirname, 'client-page.html');

/** What a page has told, and which one it was. */
export interface Told {
  readonly tab: string;
  readonly what: 'began' | 'handed' | 'tried' | 'kept' | 'refused' | 'state' | 'error' | 'restored' | 'hangs';
  readonly data: unknown;
}

/** A message that a page has written and `kept` has resolved for, and how things stood then. */
export interface Kept {
  readonly number: number;
  readonly persistent: boolean;
  readonly state: ConnectionState;
  /** How many receipts this page had. */
  readonly receipts: number;
}

/** How a page is made. */
export type PageOptions = Pick<ClientOptions, 'user' | 'tabs' | 'heartbeatMs' | 'outbox' | 'reconnect'> & {
  readonly url: string;
  /** False: it does not connect by itself. */
  readonly connects?: boolean;
  /**
   * What its handler of messages does: it tells and is done, tells and is never done, only counts; `none`: there is no
   * handler.
   */
  readonly handler?: 'tells' | 'sticks' | 'counts' | 'none';
};

/**
 * The application's side: serves a page with the client library, bundled as an application would, and keeps what the
 * pages tell. So the books survive whatever is killed.
 */
export class ClientPages {
  readonly told: Told[] = [];
  private readonly server = createServer((request, response) => void this.serve(request, response));

  private constructor(private readonly library: string) {}

  static async start(): Promise<ClientPages> {
    const entry = join(ROOT, 'client/src/index.ts');
    const { stdout } = await promisify(execFile)(
      ESBUILD,
      [entry, '--bundle', '--format=iife', '--global-name=Holdfast', '--target=es2022'],
      { maxBuffer: 16 << 20 },
    );
    const pages = new ClientPages(stdout);
    pages.server.listen(0, '127.0.0.1');
    await once(pages.server, 'listening');
    return pages;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The address of a page of this name and with these options. */
  addressOf(tab: string, options: PageOptions): string {
    return `${this.origin}/#${encodeURIComponent(JSON.stringify({ tab, ...options }))}`;
  }

  /** The messages that the handlers of this page, or of all pages, were handed, in order. */
  handed(tab?: string): ReceivedMessage[] {
    return this.told
      .filter((told) => told.what === 'handed' && (tab === undefined || told.tab === tab))
      .map(({ data }) => data as ReceivedMessage);
  }

  /** Forgets what was told. */
  forget(): void {
    this.told.length = 0;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url!, this.origin);
    if (pathname === '/told') {
      this.told.push(JSON.parse(await text(request)) as Told);
      response.writeHead(204).end();
    } else if (pathname === '/client.js') {
      response.setHeader('Content-Type', 'text/javascript').end(this.library);
    } else {
      response.setHeader('Content-Type', 'text/html').end(await this.page(pathname));
    }
  }

  private async page(pathname: string): Promise<string> {
    if (pathname === '/') return readFile(PAGE, 'utf8');
    // A page of no origin, to which the browser denies all storage. What is behind the # goes on to it.
    if (pathname === '/denied') {
      return `<!doctype html><iframe sandbox="allow-scripts" id="frame"></iframe><script>frame.src = '/' + location.hash</script>`;
    }
    return '<!doctype html><title>Elsewhere</title><p>Another page of the application.';
  }
}
