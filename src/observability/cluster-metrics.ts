import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Nodes, type NodeFigures } from '../nodes/nodes.js';
import { MetricsService } from './metrics.service.js';

type Figure = Exclude<keyof NodeFigures, 'packetsRefused'>;

/** Numbers that go up and down. */
export const GAUGES: readonly (readonly [name: string, help: string, figure: Figure])[] = [
  ['nodes', 'Nodes that this one knows, itself included.', 'nodes'],
  ['slots', 'Slots that this node serves, of 1,024.', 'slots'],
  ['links', 'Nodes that this one hears and is heard by.', 'links'],
  ['outstanding_sends', 'Messages of clients here that wait for the answer of another node.', 'outstandingSends'],
  ['outstanding_bytes', 'Content of these messages, in bytes.', 'outstandingBytes'],
];

/** Numbers that only grow. */
export const COUNTERS: readonly (readonly [name: string, help: string, figure: Figure])[] = [
  ['slots_acquired_total', 'Slots that this node has taken over.', 'acquired'],
  ['slots_released_total', 'Slots that this node was asked to hand to another.', 'released'],
  ['fenced_total', 'How often this node has lost its place: another had taken over from it.', 'fenced'],
  ['takeovers_total', 'Other nodes that were gone without having said so.', 'takeovers'],
  ['packets_sent_total', 'Packets published on the bus; over Postgres each is a transaction.', 'packetsSent'],
];

/** The metrics of a node of a cluster. A single server has none of them. */
@Injectable()
export class ClusterMetrics implements OnApplicationBootstrap {
  constructor(
    @Inject(Nodes) private readonly nodes: Nodes,
    @Inject(MetricsService) private readonly metrics: MetricsService,
  ) {}

  onApplicationBootstrap(): void {
    const { cluster } = this.nodes;
    if (!cluster) return;
    for (const [name, help, figure] of GAUGES)
      this.metrics.gauge(`cluster_${name}`, help, () => cluster.figures[figure]);
    for (const [name, help, figure] of COUNTERS)
      this.metrics.counter(`cluster_${name}`, help, () => cluster.figures[figure]);
    this.metrics.counter(
      'cluster_packets_refused_total',
      'Packets of the bus that were ignored, by the reason.',
      () => Object.entries(cluster.figures.packetsRefused),
      'reason',
    );
  }
}
