import { Inject, Injectable, Logger } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import type { ChatEvents } from './chat-events.js';
import { listeningMethods, type ListeningMethod } from './listening-methods.js';

type InstanceWrapper = ReturnType<DiscoveryService['getProviders']>[number];

/** The methods of the application's providers that have `@OnChatEvent`. */
@Injectable()
export class ListeningProviders {
  private readonly logger = new Logger('ChatEvents');
  private methods: Map<keyof ChatEvents, ListeningMethod[]> | null = null;

  constructor(@Inject(DiscoveryService) private readonly discovery: DiscoveryService) {}

  /** The methods that listen to this event. Not to be asked before all providers have been made. */
  of(event: keyof ChatEvents): readonly ListeningMethod[] {
    this.methods ??= this.find();
    return this.methods.get(event) ?? [];
  }

  private find(): Map<keyof ChatEvents, ListeningMethod[]> {
    const found = new Map<keyof ChatEvents, ListeningMethod[]>();
    for (const [instance, wrapper] of this.providers()) {
      const isSingleton = wrapper.isDependencyTreeStatic() && !wrapper.isTransient;
      for (const method of this.methodsOf(instance, wrapper)) {
        if (isSingleton) for (const event of method.events) found.set(event, [...(found.get(event) ?? []), method]);
        else
          this.logger.warn(
            `${method.title} belongs to a provider that is not a singleton, so it is not called for events.`,
          );
      }
    }
    return found;
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
}
