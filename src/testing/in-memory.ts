import type { ChatModuleOptions } from '../chat/chat-module.options.js';
import { memoryStore } from '../database/sqlite-driver.js';
import { TEST_OPTIONS } from '../options/options.module.js';

type InMemory = 'database' | 'framesPerSecond' | 'broadcastsPerSecond' | 'signalsPerSecond' | 'connectionsPerAddress';

/**
 * Options for a test: the store is in memory and gone with the application, and rates are not limited. It uses the
 * driver that is installed, better-sqlite3 or sqlite3.
 */
export const IN_MEMORY: Readonly<Required<Pick<ChatModuleOptions, InMemory>>> = {
  // A getter, since a test with a database of its own needs no driver.
  get database() {
    return memoryStore();
  },
  framesPerSecond: null,
  broadcastsPerSecond: null,
  signalsPerSecond: null,
  connectionsPerAddress: null,
};

/** The part of what `Test.createTestingModule` of `@nestjs/testing` returns that is needed here. */
export interface OverridableModule<Builder> {
  overrideProvider(token: unknown): { useValue(value: unknown): Builder };
}

/**
 * Gives the chat of an application a store in memory, and other options that the test wants, wherever its own options
 * come from: `inMemory(Test.createTestingModule({ imports: [AppModule] })).compile()`. No file is written. `path` and
 * `isGlobal` stay as they are.
 */
export function inMemory<Builder>(builder: OverridableModule<Builder>, options: ChatModuleOptions = {}): Builder {
  return builder.overrideProvider(TEST_OPTIONS).useValue({ ...IN_MEMORY, ...options });
}
