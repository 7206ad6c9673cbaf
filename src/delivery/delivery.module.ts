import { Module, type DynamicModule } from '@nestjs/common';
import { ConnectionsModule } from '../connections/connections.module.js';
import { DeliveryService } from './delivery.service.js';

@Module({})
export class DeliveryModule {
  /** Registers delivery with this store. */
  static register(offlineMessages: DynamicModule): DynamicModule {
    return {
      module: DeliveryModule,
      imports: [ConnectionsModule, offlineMessages],
      providers: [DeliveryService],
      exports: [DeliveryService, ConnectionsModule, offlineMessages],
    };
  }
}
