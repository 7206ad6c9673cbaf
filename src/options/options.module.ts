import { Module, type DynamicModule } from '@nestjs/common';
import { CHAT_OPTIONS, resolveChatOptions, type ChatOptions } from './chat.options.js';

/** Holds the merged and validated options, for every room of the chat. */
@Module({})
export class OptionsModule {
  static register(given: Partial<ChatOptions>): DynamicModule {
    return {
      module: OptionsModule,
      global: true,
      providers: [{ provide: CHAT_OPTIONS, useFactory: () => resolveChatOptions(given) }],
      exports: [CHAT_OPTIONS],
    };
  }
}
