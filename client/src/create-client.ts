import type { ClientOptions, HoldfastClient } from './api.js';
import { Client } from './client.js';

/** Makes a client. Nothing happens before `connect` or `send`, so it may be made on a server that renders pages. */
export function createClient(options: ClientOptions): HoldfastClient {
  return new Client(options);
}
