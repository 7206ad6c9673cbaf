import { z } from 'zod';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';

const indicators = z.record(z.string(), z.object({ status: z.enum(['up', 'down']) }));

const healthDto = z.object({
  status: z.enum(['error', 'ok', 'shutting_down']).meta({ example: 'ok' }),
  info: indicators.optional().describe('What is up.'),
  error: indicators.optional().describe('What is down.'),
  details: indicators.meta({ example: { store: { status: 'up' }, server: { status: 'up' } } }),
});

const notReadyDto = healthDto.extend({
  statusCode: z.number().meta({ example: 503 }),
  code: z.string().meta({ example: 'NOT_READY' }),
  message: z.string().meta({ example: 'the store does not accept messages' }),
});

/** The calls of orchestrators and Prometheus, as the OpenAPI document of the standalone server describes them. */
export const OBSERVABILITY_CALLS = [
  {
    controller: HealthController,
    tag: 'health',
    isOpen: true,
    calls: {
      live: {
        summary: 'Ask whether the process is alive',
        replies: { 200: ['It is.', z.object({ status: z.literal('ok') })] },
      },
      ready: {
        summary: 'Ask whether the server accepts connections and messages',
        replies: {
          200: ['It does.', healthDto],
          503: ['It does not: the store does not accept messages, or the server is going away.', notReadyDto],
        },
      },
    },
  },
  {
    controller: MetricsController,
    tag: 'metrics',
    isOpen: true,
    calls: {
      scrape: {
        summary: 'Scrape the metrics',
        produces: 'text/plain',
        replies: { 200: ['The metrics, in the text format of Prometheus.', z.string()] },
      },
    },
  },
] as const;
