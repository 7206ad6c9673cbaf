import { Get, Inject } from '@nestjs/common';
import { z } from 'zod';
import { ConnectionService } from '../connections/connection.service.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import { AdminController, Answers } from './api.js';

const statsDto = z.object({
  uptimeSeconds: z.number(),
  connections: z.number(),
  users: z.number().describe('Users who are connected.'),
  messages: z
    .object({
      accepted: z.number().describe('Direct messages taken, with those that an earlier run left in the store.'),
      confirmed: z.number(),
      pending: z.number().describe('Committed, and neither confirmed nor ended otherwise.'),
      inFlight: z.number().describe('Taken and in memory only: on their way to the recipient or to the disk.'),
      expired: z.number(),
      purged: z.number(),
      evicted: z.number(),
      recovered: z
        .number()
        .describe('Of the accepted, those found in the store: at the start, or when another server had been in it.'),
    })
    .describe('accepted = confirmed + pending + inFlight + expired + purged + evicted, at any time.'),
  rates: z
    .object({ acceptedPerSecond: z.number(), confirmedPerSecond: z.number() })
    .describe('Over the last minute at most.'),
});

/** The counters of the promise, and how much goes on. */
@AdminController('stats', 'stats')
export class StatsController {
  constructor(
    @Inject(ConnectionService) private readonly connections: ConnectionService,
    @Inject(DeliveryService) private readonly delivery: DeliveryService,
  ) {}

  @Get()
  @Answers(200, 'The counters since the start.', statsDto)
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
