import { jest } from '@jest/globals';
import type { ClientOptions, ReceivedMessage, ReceiptEvent, StateChange } from '../src/api.js';
import { createClient } from '../src/index.js';
import { FakeServer, SENT_AT } from './fake-server.js';

/** A client of a fake server, on fake timers, with what it told. */
export function stage(options: Partial<ClientOptions> = {}) {
  const server = new FakeServer();
  const client = createClient({ url: 'ws://chat.test/chat', user: 'alice', WebSocket: server.WebSocket, ...options });
  const states: StateChange[] = [];
  const receipts: ReceiptEvent[] = [];
  const errors: { error: unknown; about: string }[] = [];
  const messages: ReceivedMessage[] = [];
  client.on('state', (state) => states.push(state));
  client.on('receipt', (receipt) => receipts.push(receipt));
  client.on('error', (error) => errors.push(error));
  return {
    server,
    client,
    states,
    receipts,
    errors,
    messages,
    /** Listens to messages, and keeps them. */
    listen: () => client.on('message', (message) => void messages.push(message)),
    /** Connects, and is welcomed. */
    online: async (welcome: Parameters<FakeServer['last']['welcome']>[0] = {}) => {
      client.connect();
      await settle();
      server.last.welcome(welcome);
      await settle();
      return server.last;
    },
    statuses: () => receipts.map(({ id, status, code }) => [id, code ?? status].join(' ')),
  };
}

/**
 * In this file time passes only when a test lets it, and no server can be asked by HTTP. Each test begins when the
 * messages of the fake server were sent: by the real date, they would be older than any record keeps them one day.
 */
export function onFakeTime(): void {
  beforeEach(() => {
    jest.useFakeTimers({ now: Date.parse(SENT_AT) });
    jest.spyOn(globalThis, 'fetch').mockRejectedValue(new TypeError('fetch failed'));
  });
  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });
}

/** A token that expires then, in seconds since 1970. */
export const jwt = (exp: number): string => `e30.${btoa(JSON.stringify({ exp }))}.sig`;

/** Lets promises settle, without time passing. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await jest.advanceTimersByTimeAsync(0);
}

/** Lets time pass. */
export async function pass(ms: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms);
  await settle();
}
