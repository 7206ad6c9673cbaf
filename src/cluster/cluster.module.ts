import { Module, type DynamicModule } from '@nestjs/common';
import { Delivery } from '../delivery/delivery.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import { Endings } from '../delivery/endings.js';

/** Decides who delivers: with one server the process itself, without anything in between. */
@Module({})
export class ClusterModule {
  /** The delivery of all rooms above, on top of that of this process. */
  static register(ofThisProcess: DynamicModule): DynamicModule {
    return {
      module: ClusterModule,
      imports: [ofThisProcess],
      providers: [{ provide: Delivery, useExisting: DeliveryService }, Endings],
      exports: [Delivery, ofThisProcess],
    };
  }
}
