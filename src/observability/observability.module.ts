import { Module, type DynamicModule } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';
import { MetricsService } from './metrics.service.js';

/** What orchestrators and Prometheus ask the standalone server. It looks on: no message passes through here. */
@Module({})
export class ObservabilityModule {
  /** Watches this chat, which is what `ChatModule.forRoot()` returns. */
  static register(chat: DynamicModule): DynamicModule {
    return {
      module: ObservabilityModule,
      // Without its logger: it would write a line for every probe, and the store logs its own failures once.
      imports: [chat, TerminusModule.forRoot({ logger: false })],
      controllers: [MetricsController, HealthController],
      providers: [MetricsService],
    };
  }
}
