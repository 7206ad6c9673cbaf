import { ConfigurableModuleBuilder, Global, Module } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { CHAT_OPTIONS, ChatOptionsError, resolveChatOptions, type ChatOptions } from './chat.options.js';

/** The token of what the application gave: each room takes its own options out of it, and checks them. */
export const GIVEN_OPTIONS = Symbol.for('holdfast:given-options');

/** The token of what a test gives instead; a test module overrides it, wherever the options come from. */
export const OPTIONS_OF_TEST = Symbol.for('holdfast:options-of-test');

/** Options of the rooms above, which check them themselves. */
const OTHERS = ['authenticate', 'adminToken', 'insecure', 'authorize', 'database'];

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<object>()
  .setFactoryMethodName('createChatOptions')
  .build();

/** Holds what the application gave, and the merged and validated options of the chat, for every room of it. */
@Global()
@Module({
  providers: [
    { provide: OPTIONS_OF_TEST, useValue: {} },
    {
      provide: GIVEN_OPTIONS,
      inject: [MODULE_OPTIONS_TOKEN, OPTIONS_OF_TEST, ModulesContainer],
      useFactory: (given: unknown, ofTest: object, modules: ModulesContainer) => {
        refuseSecond(modules);
        if (typeof given !== 'object' || given === null) {
          throw new ChatOptionsError('useFactory', 'gave no options', 'return an object, {} for the defaults');
        }
        refusePathFromFactory(given);
        return { ...given, ...ofTest };
      },
    },
    {
      provide: CHAT_OPTIONS,
      inject: [GIVEN_OPTIONS],
      useFactory: (given: Partial<ChatOptions>) => resolveChatOptions(given, OTHERS),
    },
  ],
  exports: [GIVEN_OPTIONS, CHAT_OPTIONS],
})
export class OptionsModule extends ConfigurableModuleClass {}

/** The path and the scope of the module are fixed before the factory is called. */
function refusePathFromFactory(given: object): void {
  const name = ['path', 'isGlobal'].find((each) => each in given);
  if (name === undefined) return;
  throw new ChatOptionsError(name, 'comes from the factory', 'give it to forRootAsync, beside the factory');
}

/** Two chats would share tables and tokens, and which of them a service got would be chance. */
function refuseSecond(modules: ModulesContainer): void {
  const chats = [...modules.values()].filter(({ metatype }) => metatype === OptionsModule);
  if (chats.length < 2) return;
  throw new Error(
    `ChatModule was made ${chats.length} times, and an application has one chat; call forRoot once, keep what it returns, and import that, or give isGlobal: true.`,
  );
}
