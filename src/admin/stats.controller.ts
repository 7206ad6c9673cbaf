import { Get, Inject } from '@nestjs/common';
import { z } from 'zod';
import { ConnectionService } from '../connections/connection.service.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import { AdminController } from './admin-controller.decorator.js';

export const statsDto = z.object({
  uptimeSeconds: z.number().meta({ example: 3600 }),
  connections: z.number().meta({ example: 42 }),
  users: z.number().meta({ description: 'Users who are connected.', example: 40 }),
  messages: z
    .object({
      accepted: z.number().describe('Direct messages accepted, with those that an earlier run left in the store.'),
      confirmed: z.number(),
      pending: z
        .number()
        .describe('Committed to the store, and not confirmed, expired, purged, evicted, replaced or handed over.'),
      inFlight: z.number().describe('Accepted and only in memory: on their way to the recipient or to the disk.'),
      expired: z.number(),
      purged: z.number(),
      evicted: z.number(),
      replaced: z.number().describe('By a newer message of their sender with the same topic.'),
      handedOver: z.number().describe('To another node of the cluster; always 0 with one server.'),
      recovered: z
        .number()
        .describe('Of the accepted, those found in the store at the start, or after another server had written to it.'),
      absent: z.number().describe('Not accepted: with a `ttl` of 0, and confirmed by nobody.'),
    })
    .describe(
      'accepted = confirmed + pending + inFlight + expired + purged + evicted + replaced + handedOver, at any time.',
    ),
  rates: z
    .object({ acceptedPerSecond: z.number(), confirmedPerSecond: z.number() })
    .describe('Over the last minute, or since the start.'),
});

/** Shows the counters of messages, and how many come per second. */
@AdminController('stats')
export class StatsController {
  constructor(
    @Inject(ConnectionService) private readonly connections: ConnectionService,
    @Inject(DeliveryService) private readonly delivery: DeliveryService,
  ) {}

  @Get()
  stats(): z.infer<typeof statsDto> {
    return {
      uptimeSeconds: Math.round(process.uptime()),
      connections: this.connections.count,
      users: this.connections.userCount,
      messages: this.delivery.totals,
      rates: this.delivery.rates(),
    };
  }
}
