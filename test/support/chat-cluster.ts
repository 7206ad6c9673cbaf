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

  async startOne(): Promise<ChatApp> {
    const app = await ChatApp.start({ ...this.options, cluster: { redis: this.redis } }, undefined, this.databaseUrl);
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
    return app.app.get<ClusterNode>(CLUSTER_NODE);
  }

  idOf(app: ChatApp): number {
    return this.nodeOf(app).membership.self;
  }

  /** Returns a user whose home is this node. */
  userAt(app: ChatApp, name = 'user'): string {
    const { owners } = this.nodeOf(app).membership.view;
    for (let n = 0; ; n += 1) if (owners[slotOf(`${name}${n}`)] === this.idOf(app)) return `${name}${n}`;
  }

  async untilEven(): Promise<void> {
    const counts = () => this.nodes.map((app) => this.served(app));
    const isEven = () =>
      this.nodes.every((app) => {
        const others = this.nodes.filter((other) => other !== app);
        const { links } = this.nodeOf(app);
        return (
          this.served(app) >= Math.floor(SLOTS / this.nodes.length) - 1 &&
          others.every((other) => links.to(this.idOf(other)) !== null)
        );
      });
    await eventually(
      () => isEven() && counts().reduce((sum, count) => sum + count, 0) === SLOTS,
      () => `the nodes share the slots and hear each other; they serve ${counts().join(', ')}`,
      30_000,
    );
  }

  private served(app: ChatApp): number {
    const { view, self } = this.nodeOf(app).membership;
    return view.owners.filter((owner) => owner === self).length;
  }
}
