import { Module, type DynamicModule } from '@nestjs/common';
import { OutgoingService } from './outgoing.service.js';

@Module({})
export class OutgoingModule {
  /** Outgoing messages, sent through the delivery of this module. */
  static register(delivery: DynamicModule): DynamicModule {
    return { module: OutgoingModule, imports: [delivery], providers: [OutgoingService], exports: [OutgoingService] };
  }
}
