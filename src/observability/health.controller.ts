import { Controller, Get, HttpException, HttpStatus, Inject, type OnModuleDestroy } from '@nestjs/common';
import { HealthCheck, HealthCheckService, HealthIndicatorService, type HealthCheckResult } from '@nestjs/terminus';
import { OfflineMessageService } from '../offline-messages/offline-message.service.js';

/** What an orchestrator asks. It names nobody, and asks of the disk only whether the store is still there: the rest the store knows by itself. */
@Controller('health')
export class HealthController implements OnModuleDestroy {
  private goingAway = false;

  constructor(
    @Inject(HealthCheckService) private readonly health: HealthCheckService,
    @Inject(HealthIndicatorService) private readonly indicators: HealthIndicatorService,
    @Inject(OfflineMessageService) private readonly store: OfflineMessageService,
  ) {}

  /** The first thing in a shutdown, while connections are still open: no new ones should be sent here. */
  onModuleDestroy(): void {
    this.goingAway = true;
  }

  /** 200 while the process answers: a store that fails is no reason to kill what is in memory only. */
  @Get('live')
  @HealthCheck({ noCache: true, swaggerDocumentation: false })
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** 200 while the server can keep its promise to somebody new; 503 with what is in the way. */
  @Get('ready')
  @HealthCheck({ noCache: true, swaggerDocumentation: false })
  async ready(): Promise<HealthCheckResult> {
    const claims = { store: this.store.checkHealth(), server: !this.goingAway };
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
  store: 'the store does not take messages',
  server: 'the server is going away',
};

/** The shape of every error, with Terminus's own beside it for those who expect that. */
function notReady(result: HealthCheckResult): HttpException {
  const reasons = Object.keys(result.error ?? {}).map((name) => REASONS[name]);
  return new HttpException(
    { statusCode: HttpStatus.SERVICE_UNAVAILABLE, code: 'NOT_READY', message: reasons.join(', and '), ...result },
    HttpStatus.SERVICE_UNAVAILABLE,
  );
}
