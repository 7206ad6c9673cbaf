import { Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { ConnectionService } from '../connections/connection.service.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import { OfflineMessageService } from '../offline-messages/offline-message.service.js';
import { inNoContext } from '../options/no-context.js';
import { CHAT_EVENT, type ChatEvents } from './chat-events.js';

interface Listener {
  /** For the log. */
  readonly title: string;
  readonly call: (event: unknown) => unknown;
}

/**
 * Finds the methods that listen and tells them what happens, at the end of the turn in which it did and in the async context
 * of nobody.
 */
@Injectable()
export class ChatEventListeners implements OnModuleInit {
  private readonly logger = new Logger('ChatEvents');
  private readonly listeners = new Map<keyof ChatEvents, Listener[]>();

  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(ConnectionService) private readonly connections: ConnectionService,
    @Inject(DeliveryService) private readonly delivery: DeliveryService,
    @Inject(OfflineMessageService) private readonly store: OfflineMessageService,
  ) {}

  /** Before the modules that import the chat, which may send from here on. */
  onModuleInit(): void {
    this.find();
    // What nobody listens to costs a message nothing.
    if (this.hasAny('connected', 'disconnected')) this.hearConnections();
    if (this.hasAny('accepted', 'stored', 'confirmed')) this.hearMessages();
    if (this.hasAny('confirmed', 'expired', 'purged', 'evicted')) {
      this.store.onRemoval(({ id, from, to, sentAt }, ending) => this.emit(ending, { id, from, to, sentAt }));
    }
  }

  private find(): void {
    const scanner = new MetadataScanner();
    for (const [instance, isSingleton] of this.providers()) {
      for (const name of scanner.getAllMethodNames(Object.getPrototypeOf(instance) as object)) {
        const method = instance[name] as (event: unknown) => unknown;
        const events = Reflect.getMetadata(CHAT_EVENT, method) as (keyof ChatEvents)[] | undefined;
        if (events === undefined) continue;
        const title = `${instance.constructor.name}.${name}`;
        const listener: Listener = { title, call: (happened) => method.call(instance, happened) };
        if (isSingleton) for (const event of events) this.listenersOf(event).push(listener);
        else this.logger.warn(`${title} is of a provider that is no singleton, and hears no events.`);
      }
    }
  }

  /** Each instance once, by however many tokens it is provided, and whether it is the only one of its provider. */
  private providers(): Map<Record<string, unknown>, boolean> {
    const providers = new Map<Record<string, unknown>, boolean>();
    for (const wrapper of [...this.discovery.getProviders(), ...this.discovery.getControllers()]) {
      const instance = wrapper.instance as Record<string, unknown> | null | undefined;
      if (typeof instance !== 'object' || instance === null || Object.getPrototypeOf(instance) === null) continue;
      providers.set(instance, wrapper.isDependencyTreeStatic() && !wrapper.isTransient);
    }
    return providers;
  }

  private listenersOf(event: keyof ChatEvents): Listener[] {
    let listeners = this.listeners.get(event);
    if (!listeners) this.listeners.set(event, (listeners = []));
    return listeners;
  }

  private hasAny(...events: (keyof ChatEvents)[]): boolean {
    return events.some((event) => this.listeners.has(event));
  }

  private hearConnections(): void {
    this.connections.listen({
      onConnected: ({ id, user, protocol, remoteAddress, connectedAt, principal }) =>
        this.emit('connected', { id, user, protocol, remoteAddress, connectedAt, principal }),
      onDisconnected: ({ id, user, protocol, remoteAddress, connectedAt, principal }) => {
        const online = this.isOnline(user);
        this.emit('disconnected', { id, user, protocol, remoteAddress, connectedAt, principal, online });
      },
    });
  }

  private hearMessages(): void {
    this.delivery.ledger.listener = {
      onAccepted: (message) => this.emit('accepted', message),
      onStored: (message) => this.emit('stored', { ...message, online: this.isOnline(message.to) }),
      onConfirmed: ({ id, from, to, sentAt }) => this.emit('confirmed', { id, from, to, sentAt }),
    };
  }

  private isOnline(user: string): boolean {
    return this.connections.ofUser(user).length > 0;
  }

  private emit<Name extends keyof ChatEvents>(name: Name, event: ChatEvents[Name]): void {
    for (const listener of this.listeners.get(name) ?? []) {
      // Each by itself: a context that a listener enters is not the next one's.
      inNoContext(() => setImmediate(() => this.tell(listener, event)));
    }
  }

  private tell({ title, call }: Listener, event: unknown): void {
    const failed = (error: unknown) => this.logger.error(`${title} failed: ${String(error)}`);
    try {
      Promise.resolve(call(event)).catch(failed);
    } catch (error) {
      failed(error);
    }
  }
}
