import type { ChatModuleOptions } from '../chat/chat-module.options.js';
import { memoryStore } from '../database/sqlite-driver.js';
import { TEST_OPTIONS } from '../options/options.module.js';

type InMemory = 'database' | 'framesPerSecond' | 'broadcastsPerSecond' | 'connectionsPerAddress';

/**
 * Options for a test: what waits is in memory and gone with the application, and nobody is too fast. The driver is the one
 * that is installed, better-sqlite3 or sqlite3.
 */
export const IN_MEMORY: Readonly<Required<Pick<ChatModuleOptions, InMemory>>> = {
  // Asked for when it is needed: a test with a database of its own needs no driver.
  get database() {
    return memoryStore();
  },
  framesPerSecond: null,
  broadcastsPerSecond: null,
  connectionsPerAddress: null,
};

/** What `Test.createTestingModule` of `@nestjs/testing` returns, as far as it is needed here. */
export interface OverridableModule<Builder> {
  overrideProvider(token: unknown): { useValue(value: unknown): Builder };
}

/**
 * Gives the chat of an application a store in memory for a test, and whatever other options the test wants, wherever its own
 * come from: `inMemory(Test.createTestingModule({ imports: [AppModule] })).compile()`. No file is written. What shapes the
 * module, `path` and `isGlobal`, stays.
 */
export function inMemory<Builder>(builder: OverridableModule<Builder>, options: ChatModuleOptions = {}): Builder {
  return builder.overrideProvider(TEST_OPTIONS).useValue({ ...IN_MEMORY, ...options });
}
