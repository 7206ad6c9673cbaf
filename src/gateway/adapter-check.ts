import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

/** The error for an application that does not install the ChatWsAdapter. */
export const ADAPTER_MISSING =
  'ChatModule needs its own WebSocket adapter: call app.useWebSocketAdapter(new ChatWsAdapter(app)) before app.listen(); if other gateways need another adapter, give that to it as { others: adapter }.';

/** The HTTP servers that a ChatWsAdapter was made for. */
const served = new WeakSet<object>();

/** Notes that an application has a ChatWsAdapter. Each adapter calls it with the HTTP server of its application. */
export function noteAdapter(httpServer: object): void {
  served.add(httpServer);
}

/**
 * Stops the start of an application that has not made a ChatWsAdapter. It checks before Nest looks for an adapter of
 * its own: if that is not installed, Nest 11 and 12 end the process and ask to install it, before any hook has run.
 */
@Injectable()
export class AdapterCheck {
  constructor(@Inject(HttpAdapterHost) host: HttpAdapterHost) {
    if (host.httpAdapter) this.checkBeforeInit(host);
    // A testing module gets its HTTP adapter later; Nest 11.1.0 does not say when.
    else host.init$?.subscribe(() => this.checkBeforeInit(host));
  }

  private checkBeforeInit({ httpAdapter }: HttpAdapterHost): void {
    if (!httpAdapter) return; // An application context has no HTTP server.
    const init = httpAdapter.init.bind(httpAdapter);
    const checked = async () => {
      if (!served.has(httpAdapter.getHttpServer() as object)) throw new Error(ADAPTER_MISSING);
      await init();
    };
    // An HTTP adapter that cannot be changed, such as a frozen one, works without this check.
    Reflect.defineProperty(httpAdapter, 'init', { value: checked, writable: true, configurable: true });
  }
}
