import { Module, type DynamicModule } from '@nestjs/common';
import { ConnectionsModule } from '../connections/connections.module.js';
import { DeliveryService } from './delivery.service.js';
import { Endings } from './endings.js';

@Module({})
export class DeliveryModule {
  /** Delivery with the store of a module that provides MAILBOX_STORE. */
  static register(store: DynamicModule): DynamicModule {
    return {
      module: DeliveryModule,
      imports: [ConnectionsModule, store],
      providers: [DeliveryService, Endings],
      exports: [DeliveryService, ConnectionsModule, store],
    };
  }
}
