import { Module, type DynamicModule } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { ClusterMetrics } from './cluster-metrics.js';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';
import { MetricsService } from './metrics.service.js';

/** Health and metrics of the standalone server. No message passes through this module. */
@Module({})
export class ObservabilityModule {
  /** Observes this chat; `chat` is what `ChatModule.forRoot()` returns. */
  static register(chat: DynamicModule): DynamicModule {
    return {
      module: ObservabilityModule,
      // The logger of Terminus is off: it would log every probe, and the store already logs its failures once.
      imports: [chat, TerminusModule.forRoot({ logger: false })],
      controllers: [MetricsController, HealthController],
      providers: [MetricsService, ClusterMetrics],
    };
  }
}
