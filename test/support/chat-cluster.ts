import { CLUSTER_NODE } from '../../src/cluster/cluster.module.js';
import type { ClusterNode } from '../../src/cluster/cluster-node.js';
import { slotOf, SLOTS } from '../../src/offline-messages/slot.js';
import { ChatApp, type TestOptions } from './chat-app.js';
import { eventually } from './deadline.js';

/** Nodes of one chat, all in this process, on one database. */
export class ChatCluster {
  readonly nodes: ChatApp[] = [];

  constructor(
    private readonly databaseUrl: string,
    private readonly redis: string | null,
    private readonly options: TestOptions = {},
  ) {}

  /** Starts nodes, and waits until all of them share the slots and hear each other. */
  async start(count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) await this.startOne();
    await this.untilEven();
  }

  async startOne(databaseUrl = this.databaseUrl): Promise<ChatApp> {
    const app = await ChatApp.start({ ...this.options, cluster: { redis: this.redis } }, undefined, databaseUrl);
    this.nodes.push(app);
    return app;
  }

  /** Stops a node in order. */
  async stop(app: ChatApp): Promise<void> {
    this.nodes.splice(this.nodes.indexOf(app), 1);
    await app.stop();
  }

  async dispose(): Promise<void> {
    while (this.nodes.length > 0) await this.stop(this.nodes[0]!);
  }

  nodeOf(app: ChatApp): ClusterNode {
    return nodeOf(app);
  }

  idOf(app: ChatApp): number {
    return this.nodeOf(app).membership.self;
  }

  /** Returns a user whose home is this node. */
  userAt(app: ChatApp, name = 'user'): string {
    const { owners } = this.nodeOf(app).membership.view;
    for (let n = 0; ; n += 1) if (owners[slotOf(`${name}${n}`)] === this.idOf(app)) return `${name}${n}`;
  }

  untilEven(): Promise<void> {
    return untilEven(this.nodes);
  }
}

const nodeOf = ({ app }: ChatApp) => app.get<ClusterNode>(CLUSTER_NODE);

/** Waits until these nodes share the slots, and hear each other. */
export async function untilEven(apps: readonly ChatApp[]): Promise<void> {
  const nodes = apps.map(nodeOf);
  const counts = () =>
    nodes.map(({ membership: { view, self } }) => view.owners.filter((owner) => owner === self).length);
  const hearAll = ({ membership, links }: ClusterNode) =>
    nodes.every(({ membership: { self } }) => self === membership.self || links.to(self) !== null);
  const share = Math.floor(SLOTS / nodes.length) - 1;
  await eventually(
    () =>
      counts().every((count) => count >= share) && counts().reduce((a, b) => a + b) === SLOTS && nodes.every(hearAll),
    () => `the nodes share the slots and hear each other; they serve ${counts().join(', ')}`,
    60_000,
  );
}
