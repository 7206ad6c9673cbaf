import { Module, type DynamicModule } from '@nestjs/common';
import { RecordService } from './record.service.js';

@Module({})
export class RecordModule {
  /** The record in the store of a module that provides OfflineMessageService. */
  static register(store: DynamicModule): DynamicModule {
    return { module: RecordModule, imports: [store], providers: [RecordService], exports: [RecordService, store] };
  }
}
