import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

/** The error of an application that does not install the ChatWsAdapter. */
export const ADAPTER_MISSING =
  'ChatModule needs its own WebSocket adapter: call app.useWebSocketAdapter(new ChatWsAdapter(app)) before app.listen(); another adapter for the other gateways is given to it as { others: adapter }.';

/** The HTTP servers that a ChatWsAdapter was made for. */
const served = new WeakSet<object>();

/** Has to be called by each ChatWsAdapter, with the HTTP server of its application. */
export function noteAdapter(httpServer: object): void {
  served.add(httpServer);
}

/**
 * Refuses the start of an application that has not made a ChatWsAdapter. It has to do so before Nest looks for an adapter of
 * its own: when that is not installed, Nest 11 and 12 end the process and say to install it, and no hook has run by then.
 */
@Injectable()
export class AdapterCheck {
  constructor(@Inject(HttpAdapterHost) host: HttpAdapterHost) {
    if (host.httpAdapter) this.checkBeforeInit(host);
    // A testing module gets it later. Nest 11.1.0 does not say when.
    else host.init$?.subscribe(() => this.checkBeforeInit(host));
  }

  private checkBeforeInit({ httpAdapter }: HttpAdapterHost): void {
    if (!httpAdapter) return; // An application context, which serves no gateways.
    const init = httpAdapter.init.bind(httpAdapter);
    const checked = async () => {
      if (!served.has(httpAdapter.getHttpServer() as object)) throw new Error(ADAPTER_MISSING);
      await init();
    };
    // An HTTP adapter that can't be changed, such as a frozen one, works without this check.
    Reflect.defineProperty(httpAdapter, 'init', { value: checked, writable: true, configurable: true });
  }
}
