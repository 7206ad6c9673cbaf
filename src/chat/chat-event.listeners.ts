import { Inject, Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { ConnectionService } from '../connections/connection.service.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import { OfflineMessageService } from '../offline-messages/offline-message.service.js';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { inNoContext } from '../options/no-context.js';
import { toChatMessage, type ChatEvents } from './chat-events.js';
import { listeningMethods, type ListeningMethod } from './listening-methods.js';
import { WaitingNotifier } from './waiting-notifier.js';

type InstanceWrapper = ReturnType<DiscoveryService['getProviders']>[number];

/**
 * Finds the methods with `@OnChatEvent` and calls them when their events happen. It calls them after what handles the
 * event has returned, outside of any async context.
 */
@Injectable()
export class ChatEventListeners implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger('ChatEvents');
  private readonly listeners = new Map<keyof ChatEvents, ListeningMethod[]>();

  private notifier: WaitingNotifier | null = null;

  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(ConnectionService) private readonly connections: ConnectionService,
    @Inject(DeliveryService) private readonly delivery: DeliveryService,
    @Inject(OfflineMessageService) private readonly store: OfflineMessageService,
    @Inject(CHAT_OPTIONS) private readonly options: ChatOptions,
  ) {}

  /** Runs before the modules that import the chat are initialized, since these may send. */
  onModuleInit(): void {
    this.find();
    // An event without listeners costs a message nothing.
    if (this.hasAny('connected', 'disconnected')) this.hearConnections();
    this.hearMessages();
    if (this.hasAny('waiting')) {
      const { ledger } = this.delivery;
      this.notifier = new WaitingNotifier(this.listenersOf('waiting'), ledger, this.store, this.options);
      this.notifier.start();
    }
  }

  /** Runs before the connections are closed and the store with them. */
  async onModuleDestroy(): Promise<void> {
    await this.notifier?.stop();
  }

  private find(): void {
    for (const [instance, wrapper] of this.providers()) {
      const isSingleton = wrapper.isDependencyTreeStatic() && !wrapper.isTransient;
      for (const listener of this.methodsOf(instance, wrapper)) {
        if (isSingleton) for (const event of listener.events) this.listenersOf(event).push(listener);
        else
          this.logger.warn(
            `${listener.title} belongs to a provider that is not a singleton, so it is not called for events.`,
          );
      }
    }
  }

  /** Returns each instance once, even if it is provided under several tokens. */
  private providers(): Map<object, InstanceWrapper> {
    const providers = new Map<object, InstanceWrapper>();
    for (const wrapper of [...this.discovery.getProviders(), ...this.discovery.getControllers()]) {
      const instance: unknown = wrapper.instance;
      if (typeof instance === 'object' && instance !== null) providers.set(instance, wrapper);
    }
    return providers;
  }

  private methodsOf(instance: object, { name }: InstanceWrapper): ListeningMethod[] {
    try {
      return listeningMethods(instance);
    } catch (error) {
      this.logger.debug(`${String(name)} cannot be inspected, so it is not called for events: ${String(error)}`);
      return [];
    }
  }

  private listenersOf(event: keyof ChatEvents): ListeningMethod[] {
    let listeners = this.listeners.get(event);
    if (!listeners) this.listeners.set(event, (listeners = []));
    return listeners;
  }

  private hasAny(...events: (keyof ChatEvents)[]): boolean {
    return events.some((event) => this.listeners.has(event));
  }

  private hearConnections(): void {
    this.connections.connected.on((connection) => this.emit('connected', connection.info()));
    this.connections.disconnected.on((connection) =>
      this.emit('disconnected', { ...connection.info(), online: this.isOnline(connection.user) }),
    );
  }

  private hearMessages(): void {
    const { ledger } = this.delivery;
    if (this.hasAny('accepted')) ledger.accepted.on((message) => this.emit('accepted', toChatMessage(message)));
    if (this.hasAny('stored')) {
      ledger.stored.on((message) =>
        this.emit('stored', { ...toChatMessage(message), online: this.isOnline(message.to) }),
      );
    }
    if (this.hasAny('confirmed')) {
      ledger.confirmed.on(({ id, from, to, sentAt }) => this.emit('confirmed', { id, from, to, sentAt }));
    }
    if (!this.hasAny('expired', 'purged', 'evicted', 'replaced')) return;
    this.store.removed.on(({ id, from, to, sentAt }, reason) => {
      if (reason !== 'confirmed') this.emit(reason, { id, from, to, sentAt });
    });
  }

  private isOnline(user: string): boolean {
    return this.connections.openOf(user).length > 0;
  }

  private emit<Name extends keyof ChatEvents>(name: Name, event: ChatEvents[Name]): void {
    for (const listener of this.listeners.get(name) ?? []) {
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
