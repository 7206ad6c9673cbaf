import { ConfigurableModuleBuilder, Global, Module } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { CHAT_OPTIONS, ChatOptionsError, resolveChatOptions, type ChatOptions } from './chat.options.js';

/** The injection token of everything that was given to forRoot. Each room takes and checks its own options. */
export const MODULE_OPTIONS = Symbol.for('holdfast:module-options');

/**
 * The injection token of the options of a test. A test module overrides it, wherever the application's options come
 * from.
 */
export const TEST_OPTIONS = Symbol.for('holdfast:test-options');

/** Options that other rooms check. */
const OPTIONS_OF_OTHER_ROOMS = [
  'authenticate',
  'adminToken',
  'insecure',
  'authorize',
  'database',
  'outgoing',
  'cluster',
];

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<object>()
  .setFactoryMethodName('createChatOptions')
  .build();

/** Provides what was given to forRoot, and the checked options of the chat. */
@Global()
@Module({
  providers: [
    { provide: TEST_OPTIONS, useValue: {} },
    {
      provide: MODULE_OPTIONS,
      inject: [MODULE_OPTIONS_TOKEN, TEST_OPTIONS, ModulesContainer],
      useFactory: (given: unknown, testOptions: object, modules: ModulesContainer) => {
        refuseSecond(modules);
        if (typeof given !== 'object' || given === null) {
          throw new ChatOptionsError('useFactory', 'did not return options', 'return an object, {} for the defaults');
        }
        refusePathFromFactory(given);
        return { ...given, ...testOptions };
      },
    },
    {
      provide: CHAT_OPTIONS,
      inject: [MODULE_OPTIONS],
      useFactory: (given: Partial<ChatOptions>) => resolveChatOptions(given, OPTIONS_OF_OTHER_ROOMS),
    },
  ],
  exports: [MODULE_OPTIONS, CHAT_OPTIONS],
})
export class OptionsModule extends ConfigurableModuleClass {}

/** Throws if a factory returns options that are needed before it is called. */
function refusePathFromFactory(given: object): void {
  const name = ['path', 'isGlobal'].find((each) => each in given);
  if (name === undefined) return;
  throw new ChatOptionsError(name, 'comes from the factory', 'give it to forRootAsync, beside the factory');
}

/**
 * Throws if there are two chats. They would share tables and injection tokens, and which of them a service gets would
 * be chance.
 */
function refuseSecond(modules: ModulesContainer): void {
  const chats = [...modules.values()].filter(({ metatype }) => metatype === OptionsModule);
  if (chats.length < 2) return;
  throw new Error(
    `ChatModule was made ${chats.length} times, but an application has one chat; call forRoot once and import what it returns, or give isGlobal: true.`,
  );
}
