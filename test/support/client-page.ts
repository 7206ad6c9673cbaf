import { WebSocket } from 'ws';
import { createClient, type HoldfastClient, type Store } from 'holdfast-client';

/** A WebSocket that is cut after so many frames of either direction, before or behind the last of them. */
export interface Cut {
  readonly frames: number;
  readonly losesLast: boolean;
}

/** The WebSockets of one page, of which each is cut as its entry says. Those after the entries are not cut. */
export class CutSockets {
  private readonly opened = new Set<WebSocket>();
  private isDead = false;

  constructor(private readonly cuts: readonly Cut[]) {}

  /** The option of a client. */
  get WebSocket(): new (url: string, protocols: string[]) => unknown {
    const open = (url: string, protocols: string[]) => this.open(url, protocols);
    return class {
      constructor(url: string, protocols: string[]) {
        return open(url, protocols);
      }
    };
  }

  /** The page is killed: nothing is written or heard any more. */
  kill(): void {
    this.isDead = true;
    for (const socket of this.opened) socket.terminate();
  }

  private open(url: string, protocols: string[]) {
    const cut = this.cuts[this.opened.size];
    const socket = new WebSocket(url, protocols);
    this.opened.add(socket);
    let frames = 0;
    const pass = (frame: () => void) => {
      if (this.isDead || (cut && frames >= cut.frames)) return; // Nothing comes behind what was lost.
      frames += 1;
      if (frames !== cut?.frames || !cut.losesLast) frame();
      if (frames === cut?.frames) socket.terminate();
    };
    const seen = {
      onmessage: null as ((event: unknown) => void) | null,
      onclose: null as ((event: unknown) => void) | null,
      send: (text: string) => pass(() => socket.send(text)),
      close: () => socket.close(),
    };
    socket.on('error', () => undefined); // 'close' follows.
    socket.onmessage = (event) => pass(() => seen.onmessage?.(event));
    socket.onclose = (event) => !this.isDead && seen.onclose?.(event);
    return seen;
  }
}

/** One life of a page: a client over a store that outlives it. It ends as a page does that is killed. */
export class ClientPage {
  readonly client: HoldfastClient;
  private isDead = false;

  constructor(
    url: string,
    store: Store,
    private readonly sockets: CutSockets,
  ) {
    // What a dead page has begun never ends.
    const mortal = new Proxy(store, {
      get: (inner, key) => {
        const value = Reflect.get(inner, key) as unknown;
        if (typeof value !== 'function') return value;
        return async (...parameters: unknown[]) => {
          if (this.isDead) await new Promise(() => undefined);
          const result = await (value.apply(inner, parameters) as Promise<unknown>);
          if (this.isDead) await new Promise(() => undefined);
          return result;
        };
      },
    });
    this.client = createClient({
      url,
      store: mortal,
      WebSocket: sockets.WebSocket,
      reconnect: { minDelayMs: 1, maxDelayMs: 5 },
    });
  }

  /** Ends the page: nothing that it has begun goes on. */
  kill(): void {
    this.isDead = true;
    this.sockets.kill();
    this.client.disconnect(); // Ends its timers.
  }
}
