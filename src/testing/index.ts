import type { ChatModuleOptions } from '../chat/chat-module.options.js';

export { Refused, TestClient, type Closed, type JsonData, type JsonFrame } from './test-client.js';

/**
 * Options for a test: what waits is in memory and gone with the application, and nobody is too fast. It needs the package
 * sqlite3; give another `database` beside it to use another driver.
 */
export const IN_MEMORY = {
  database: { type: 'sqlite', database: ':memory:' },
  framesPerSecond: null,
  broadcastsPerSecond: null,
  connectionsPerAddress: null,
} as const satisfies ChatModuleOptions;
