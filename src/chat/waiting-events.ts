import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { DeliveryService } from '../delivery/delivery.service.js';
import { OfflineMessageService } from '../offline-messages/offline-message.service.js';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { ListeningProviders } from './listening-providers.js';
import { WaitingNotifier } from './waiting-notifier.js';

/** Tells the methods that listen to `waiting`. Where there are none, it does nothing at all. */
@Injectable()
export class WaitingEvents implements OnModuleInit, OnModuleDestroy {
  private notifier: WaitingNotifier | null = null;

  constructor(
    @Inject(ListeningProviders) private readonly listening: ListeningProviders,
    @Inject(DeliveryService) private readonly delivery: DeliveryService,
    @Inject(OfflineMessageService) private readonly store: OfflineMessageService,
    @Inject(CHAT_OPTIONS) private readonly options: ChatOptions,
  ) {}

  onModuleInit(): void {
    const methods = this.listening.of('waiting');
    if (methods.length === 0) return;
    this.notifier = new WaitingNotifier(methods, this.delivery.ledger, this.store, this.options);
    this.notifier.start();
  }

  /** Runs before the connections are closed and the store with them. */
  async onModuleDestroy(): Promise<void> {
    await this.notifier?.stop();
  }
}
