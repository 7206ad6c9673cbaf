import { Module, type DynamicModule } from '@nestjs/common';
import { ConnectionsModule } from '../connections/connections.module.js';
import { DeliveryService } from './delivery.service.js';

@Module({})
export class DeliveryModule {
  /** Delivery over this store. */
  static over(offlineMessages: DynamicModule): DynamicModule {
    return {
      module: DeliveryModule,
      imports: [ConnectionsModule, offlineMessages],
      providers: [DeliveryService],
      exports: [DeliveryService, ConnectionsModule, offlineMessages],
    };
  }
}
