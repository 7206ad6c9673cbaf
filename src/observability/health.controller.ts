import { Controller, Get, HttpException, HttpStatus, Inject, type OnModuleDestroy } from '@nestjs/common';
import { HealthCheck, HealthCheckService, HealthIndicatorService, type HealthCheckResult } from '@nestjs/terminus';
import { Nodes } from '../nodes/nodes.js';
import { OfflineMessageService } from '../offline-messages/offline-message.service.js';

/**
 * The calls of an orchestrator. They reveal nothing about users. They check that the store is still there; all else is
 * its last known state, without a query.
 */
@Controller('health')
export class HealthController implements OnModuleDestroy {
  private goingAway = false;

  constructor(
    @Inject(HealthCheckService) private readonly health: HealthCheckService,
    @Inject(HealthIndicatorService) private readonly indicators: HealthIndicatorService,
    @Inject(OfflineMessageService) private readonly store: OfflineMessageService,
    @Inject(Nodes) private readonly nodes: Nodes,
  ) {}

  /** Runs first in a shutdown, while connections are still open, so that no new ones are sent here. */
  onModuleDestroy(): void {
    this.goingAway = true;
  }

  /**
   * Responds with 200 as long as the process runs. A store that fails is not a reason to kill it: that would lose what
   * is in memory only.
   */
  @Get('live')
  @HealthCheck({ noCache: true, swaggerDocumentation: false })
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** Responds with 200 while the server accepts connections and messages, otherwise with 503 and the reason. */
  @Get('ready')
  @HealthCheck({ noCache: true, swaggerDocumentation: false })
  async ready(): Promise<HealthCheckResult> {
    const { cluster } = this.nodes;
    const claims = {
      store: this.store.checkHealth(),
      server: !this.goingAway,
      ...(cluster && { cluster: cluster.isReady }),
    };
    const checks = Object.entries(claims).map(([name, holds]) => {
      const indicator = this.indicators.check(name);
      return () => (holds ? indicator.up() : indicator.down());
    });
    return this.health.check(checks).catch((error: HttpException) => {
      throw notReady(error.getResponse() as HealthCheckResult);
    });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  store: 'the store does not accept messages',
  server: 'the server is going away',
  cluster: 'the node has no place in its cluster, or does not hear the other nodes',
};

/** Returns an error in the shape of all errors, together with the fields of Terminus for clients that expect those. */
function notReady(result: HealthCheckResult): HttpException {
  const reasons = Object.keys(result.error ?? {}).map((name) => REASONS[name]);
  return new HttpException(
    { statusCode: HttpStatus.SERVICE_UNAVAILABLE, code: 'NOT_READY', message: reasons.join(', and '), ...result },
    HttpStatus.SERVICE_UNAVAILABLE,
  );
}
