import { Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { WholeChat } from '../admin/whole-chat.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import { OfflineMessageService } from '../offline-messages/offline-message.service.js';
import { inNoContext } from '../options/no-context.js';
import { OutgoingService } from '../outgoing/outgoing.service.js';
import { toChatMessage } from '../protocol/chat-message.js';
import { positionText } from '../protocol/position.js';
import type { ChatEvents } from './chat-events.js';
import type { ListeningMethod } from './listening-methods.js';
import { ListeningProviders } from './listening-providers.js';

/**
 * Calls the methods with `@OnChatEvent` when their events happen, but for `waiting`. It calls them after what handles
 * the event has returned, outside of any async context.
 */
@Injectable()
export class ChatEventListeners implements OnModuleInit {
  private readonly logger = new Logger('ChatEvents');

  constructor(
    @Inject(ListeningProviders) private readonly listening: ListeningProviders,
    @Inject(WholeChat) private readonly chat: WholeChat,
    @Inject(DeliveryService) private readonly delivery: DeliveryService,
    @Inject(OfflineMessageService) private readonly store: OfflineMessageService,
    @Inject(OutgoingService) private readonly outgoing: OutgoingService,
  ) {}

  /** Runs before the modules that import the chat are initialized, since these may send. */
  onModuleInit(): void {
    // An event without listeners costs a message nothing.
    if (this.hasAny('connected', 'disconnected')) this.hearConnections();
    this.hearMessages();
  }

  private hasAny(...events: (keyof ChatEvents)[]): boolean {
    return events.some((event) => this.listening.of(event).length > 0);
  }

  private hearConnections(): void {
    const { connections } = this.chat;
    connections.connected.on((connection) => this.emit('connected', connection.info()));
    connections.disconnected.on((connection) => {
      const info = connection.info();
      const online = this.chat.isStillOnline(connection.user);
      if (typeof online === 'boolean') this.emit('disconnected', { ...info, online });
      else void online.then((elsewhere) => this.emit('disconnected', { ...info, online: elsewhere }));
    });
  }

  private hearMessages(): void {
    const { ledger } = this.delivery;
    if (this.hasAny('accepted')) ledger.accepted.on((message) => this.emit('accepted', toChatMessage(message)));
    if (this.hasAny('stored')) {
      ledger.stored.on((message) =>
        this.emit('stored', { ...toChatMessage(message), online: this.chat.isOnlineAtHome(message.to) }),
      );
    }
    if (this.hasAny('confirmed')) {
      ledger.confirmed.on(({ id, from, to, sentAt }) => this.emit('confirmed', { id, from, to, sentAt }));
    }
    if (this.hasAny('read')) {
      this.store.marked.on(({ user, with: peer, read }) => {
        if (read !== undefined) this.emit('read', { user, with: peer, upTo: positionText(read) });
      });
    }
    if (this.hasAny('refused')) this.outgoing.refused.on((refusal) => this.emit('refused', refusal));
    if (this.hasAny('erased')) this.chat.erased.on((erased) => this.emit('erased', erased));
    if (!this.hasAny('expired', 'purged', 'evicted', 'replaced')) return;
    this.store.removed.on(({ id, from, to, sentAt }, reason) => {
      if (reason !== 'confirmed') this.emit(reason, { id, from, to, sentAt });
    });
  }

  private emit<Name extends keyof ChatEvents>(name: Name, event: ChatEvents[Name]): void {
    for (const listener of this.listening.of(name)) {
      // Each has a callback of its own, so that a context which one listener enters does not reach the next.
      inNoContext(() => setImmediate(() => this.tell(listener, event)));
    }
  }

  private tell({ title, call }: ListeningMethod, event: unknown): void {
    const failed = (error: unknown) => this.logger.error(`${title} failed: ${String(error)}`);
    try {
      Promise.resolve(call(event)).catch(failed);
    } catch (error) {
      failed(error);
    }
  }
}
