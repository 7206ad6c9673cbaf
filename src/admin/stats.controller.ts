import { Get, Inject } from '@nestjs/common';
import { z } from 'zod';
import { ConnectionService } from '../connections/connection.service.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import { Nodes, type Call } from '../nodes/nodes.js';
import { AdminController } from './admin-controller.decorator.js';

const messages = z
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
  );

const record = z
  .object({ recorded: z.number(), expired: z.number(), erased: z.number() })
  .describe(
    'Messages that were recorded since the start, have expired, were changed or deleted by an erasure. 0 where none is recorded.',
  );

const rates = z
  .object({ acceptedPerSecond: z.number(), confirmedPerSecond: z.number() })
  .describe('Over the last minute, or since the start.');

const totals = {
  uptimeSeconds: z.number().meta({ description: 'Of the node that replies.', example: 3600 }),
  connections: z.number().meta({ example: 42 }),
  users: z.number().meta({
    description: 'Users who are connected. In a cluster, a user who is connected to two nodes counts twice.',
    example: 40,
  }),
  messages,
  record,
  rates,
};

const nodeStats = z.object({
  id: z.number().meta({ description: 'A node has a new id after each start.', example: 7 }),
  slots: z.number().meta({ description: 'Slots that it serves, of 1,024.', example: 512 }),
  links: z.number().meta({ description: 'Nodes that it hears and is heard by.', example: 1 }),
  ...totals,
});

export const statsDto = z.object({
  ...totals,
  nodes: z.array(nodeStats).optional().describe('In a cluster: each node, of which the totals above are the sum.'),
  missing: z.array(z.number()).optional().describe('In a cluster: the nodes that did not answer within a second.'),
});

type NodeStats = z.infer<typeof nodeStats>;
type Counters = Readonly<Record<string, number>>;

const STATS: Call<null, NodeStats> = { name: 'stats' };

/** Shows the counters of messages and of the record, and how many messages come per second. */
@AdminController('stats')
export class StatsController {
  constructor(
    @Inject(ConnectionService) private readonly connections: ConnectionService,
    @Inject(DeliveryService) private readonly delivery: DeliveryService,
    @Inject(Nodes) private readonly nodes: Nodes,
  ) {
    nodes.handle(STATS, () => this.statsHere());
  }

  @Get()
  async stats(): Promise<z.infer<typeof statsDto>> {
    const { id: _, slots: __, links: ___, ...own } = this.statsHere();
    if (!this.nodes.cluster) return own;
    const { results, missing } = await this.nodes.all(STATS, null);
    const nodes = results.toSorted((one, other) => one.id - other.id);
    return {
      uptimeSeconds: own.uptimeSeconds,
      connections: nodes.reduce((sum, { connections }) => sum + connections, 0),
      users: nodes.reduce((sum, { users }) => sum + users, 0),
      messages: sumOf(nodes.map((node) => node.messages)) as NodeStats['messages'],
      record: sumOf(nodes.map((node) => node.record)) as NodeStats['record'],
      rates: sumOf(nodes.map((node) => node.rates)) as NodeStats['rates'],
      nodes,
      missing: [...missing],
    };
  }

  private statsHere(): NodeStats {
    const { cluster } = this.nodes;
    return {
      id: cluster?.self ?? 0,
      slots: cluster?.figures.slots ?? 0,
      links: cluster?.figures.links ?? 0,
      uptimeSeconds: Math.round(process.uptime()),
      connections: this.connections.count,
      users: this.connections.userCount,
      messages: this.delivery.totals,
      record: { ...this.delivery.ledger.record },
      rates: this.delivery.rates(),
    };
  }
}

/** Adds up what nodes have under the same name. */
function sumOf(all: readonly Counters[]): Counters {
  const sums: Record<string, number> = {};
  for (const counters of all) {
    for (const [name, count] of Object.entries(counters)) sums[name] = (sums[name] ?? 0) + count;
  }
  return sums;
}
