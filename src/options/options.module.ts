import { ConfigurableModuleBuilder, Global, Module } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { CHAT_OPTIONS, ChatOptionsError, resolveChatOptions, type ChatOptions } from './chat.options.js';

/** The token of all that was given to forRoot. Each room takes its own options out of it, and checks them. */
export const MODULE_OPTIONS = Symbol.for('holdfast:module-options');

/** The token of what a test gives instead. A test module overrides it, wherever the options come from. */
export const TEST_OPTIONS = Symbol.for('holdfast:test-options');

/** Options that the rooms above check themselves. */
const OPTIONS_OF_OTHER_ROOMS = ['authenticate', 'adminToken', 'insecure', 'authorize', 'database'];

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<object>()
  .setFactoryMethodName('createChatOptions')
  .build();

/** Provides every room with what was given to forRoot, and with the merged and validated options of the chat. */
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
          throw new ChatOptionsError('useFactory', 'gave no options', 'return an object, {} for the defaults');
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

/** The path and the scope of the module are fixed before the factory is called. */
function refusePathFromFactory(given: object): void {
  const name = ['path', 'isGlobal'].find((each) => each in given);
  if (name === undefined) return;
  throw new ChatOptionsError(name, 'comes from the factory', 'give it to forRootAsync, beside the factory');
}

/** Two chats would share tables and tokens, and it would be chance which of them a service gets. */
function refuseSecond(modules: ModulesContainer): void {
  const chats = [...modules.values()].filter(({ metatype }) => metatype === OptionsModule);
  if (chats.length < 2) return;
  throw new Error(
    `ChatModule was made ${chats.length} times, and an application has one chat; call forRoot once, keep what it returns, and import that, or give isGlobal: true.`,
  );
}
