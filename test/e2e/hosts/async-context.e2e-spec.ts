import { Controller, Inject, Injectable, Param, Post, type INestApplication } from '@nestjs/common';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage, Server } from 'node:http';
import type { DataSourceOptions } from 'typeorm';
import { ChatModule, ChatService, ChatWsAdapter, OnChatEvent } from '../../../src/index.js';
import { systemClock } from '../../../src/options/clock.js';
import { IN_MEMORY } from '../../../src/testing/index.js';
import { eventually } from '../../support/deadline.js';
import { HostApp } from '../../support/host-app.js';
import { RawClient } from '../../support/raw-client.js';

/** The tenant of the request, as an application with tenants or tracing keeps it. */
const tenants = new AsyncLocalStorage<string>();
const tenant = () => tenants.getStore() ?? 'nobody';

const USERS = Array.from({ length: 60 }, (_, n) => `user-${n}`);

/** For each callback of the application: the tenants in whose context it was called. */
let tenantsByCallback: Map<string, Set<string>>;

function seen(callback: string): void {
  tenantsByCallback.set(callback, (tenantsByCallback.get(callback) ?? new Set()).add(tenant()));
}

@Injectable()
class Listeners {
  readonly told: string[] = [];

  @OnChatEvent('accepted') accepted(): void {
    this.hear('accepted');
  }
  @OnChatEvent('stored') stored(): void {
    this.hear('stored');
  }
  @OnChatEvent('confirmed') confirmed(): void {
    this.hear('confirmed');
  }
  @OnChatEvent('disconnected') disconnected(): void {
    this.hear('disconnected');
  }

  private hear(event: string): void {
    seen('listener');
    this.told.push(event);
    tenants.enterWith('one that a listener entered');
  }
}

@Controller('send')
class SendController {
  constructor(@Inject(ChatService) private readonly chat: ChatService) {}

  /** Returns the tenants before and after each call of the chat. */
  @Post(':to')
  async send(@Param('to') to: string): Promise<string[]> {
    const found = [tenant()];
    await this.chat.send({ from: 'shop', to, content: 'x' });
    found.push(tenant());
    await this.chat.pending(to);
    found.push(tenant());
    await this.chat.send({ from: 'shop', to: 'x|x', content: 'x' }).catch(() => found.push(tenant()));
    return found;
  }
}

/** Everything that a request or an upgrade starts belongs to its tenant, as with a tracer. */
function enterTenants(app: INestApplication): void {
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  const server = app.getHttpServer() as Server;
  const emit = server.emit.bind(server);
  server.emit = (event: string, ...args: unknown[]) => {
    const go = () => emit(event as 'request', ...(args as Parameters<Server['emit']>[1][]));
    return event === 'request' || event === 'upgrade' ? tenants.run((args[0] as IncomingMessage).url!, go) : go();
  };
}

let host: HostApp | null = null;

async function start(): Promise<Listeners> {
  tenantsByCallback = new Map();
  const quiet = () => undefined;
  const logger = { logQueryError: quiet, logQuerySlow: quiet, logSchemaBuild: quiet, logMigration: quiet, log: quiet };
  const chat = ChatModule.forRoot({
    ...IN_MEMORY,
    database: {
      ...(IN_MEMORY.database as DataSourceOptions),
      logging: true,
      logger: { ...logger, logQuery: () => seen('statement') },
    },
    authenticate: async ({ url }) => {
      await Promise.resolve();
      seen(`authenticate ${url}`);
      return { user: /user=(.+)/.exec(url!)![1]! };
    },
    authorize: async (_command, { user }) => {
      seen(`authorize /chat?user=${user}`);
      await Promise.resolve();
      return true;
    },
  });
  host = await HostApp.start({ imports: [chat], controllers: [SendController], providers: [Listeners] }, enterTenants);
  return host.app.get(Listeners);
}

afterEach(async () => {
  await host?.close();
  host = null;
});

describe('an application that keeps the tenant of each request in an AsyncLocalStorage', () => {
  it('comes back from the chat in that of its caller, and hears of events in that of nobody', async () => {
    const { told } = await start();
    const online = await Promise.all(USERS.slice(0, 30).map((user) => host!.connect(user)));
    const answers = await Promise.all(
      USERS.map(async (user) => {
        const response = await fetch(`http://127.0.0.1:${host!.port}/send/${user}`, { method: 'POST' });
        return (await response.json()) as unknown;
      }),
    );
    expect(answers).toEqual(USERS.map((user) => Array.from({ length: 4 }, () => `/send/${user}`)));
    await Promise.all(online.map((client) => client.close()));
    const wanted = { accepted: 60, confirmed: 30, stored: 30, disconnected: 30 };
    await eventually(
      () => Object.entries(wanted).every(([event, times]) => told.filter((each) => each === event).length === times),
      () => `${JSON.stringify(wanted)}; told were ${told.toSorted().join(', ')}`,
    );
    expect(tenantsByCallback.get('listener')).toEqual(new Set(['nobody']));
    expect(tenantsByCallback.get('statement')).toEqual(new Set(['nobody']));
  });

  it('is asked by authenticate and authorize in that of the upgrade, also for what came along with it', async () => {
    await start();
    const bob = await host!.connect('bob');
    const clients = await Promise.all(
      USERS.map(async (user) => {
        const client = await RawClient.connect(host!.port);
        const first = RawClient.frame(Buffer.from('bob|first'));
        await client.write(Buffer.concat([RawClient.handshake(`/chat?user=${user}`), first]));
        await client.until('\r\n\r\n');
        await client.write(RawClient.frame(Buffer.from('bob|second')));
        return client;
      }),
    );
    await bob.take(2 * USERS.length);
    for (const client of clients) client.reset();
    const urls = USERS.map((user) => `/chat?user=${user}`);
    const contextsOf = (callback: string) => urls.map((url) => [...tenantsByCallback.get(`${callback} ${url}`)!]);
    expect(contextsOf('authenticate')).toEqual(urls.map((url) => [url]));
    expect(contextsOf('authorize')).toEqual(urls.map((url) => [url]));
  });

  it('has its timers in that of nobody, so that none keeps a request in memory', async () => {
    const found = await tenants.run(
      'a request',
      () => new Promise((resolve) => systemClock.after(1, () => resolve(tenant()))),
    );
    expect(found).toBe('nobody');
  });
});
