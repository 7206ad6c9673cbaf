import { Module, type DynamicModule } from '@nestjs/common';
import { ConnectionsModule } from '../connections/connections.module.js';
import { DeliveryService } from './delivery.service.js';

@Module({})
export class DeliveryModule {
  /** The delivery of this process, with the store of a module that provides MAILBOX_STORE. */
  static register(store: DynamicModule): DynamicModule {
    return {
      module: DeliveryModule,
      imports: [ConnectionsModule, store],
      providers: [DeliveryService],
      exports: [DeliveryService, ConnectionsModule, store],
    };
  }
}
