import type { Cluster, NodeFigures } from '../nodes/nodes.js';
import type { ClusterDelivery } from './cluster-delivery.js';
import type { ClusterNode } from './cluster-node.js';
import type { NodeInfo, View } from './membership.js';
import { slotOf } from '../offline-messages/slot.js';

/** The cluster as this node sees it, for the rooms that ask all nodes and for operators. */
export class ClusterNodes implements Cluster {
  private acquired = 0;
  private released = 0;
  private fenced = 0;
  private takeovers = 0;
  private known: readonly NodeInfo[] = [];
  /** The id under which it has heard all others. Who has just joined is not ready before. */
  private heardAs: number | null = null;

  constructor(
    private readonly node: ClusterNode,
    private readonly delivery: Pick<ClusterDelivery, 'load'>,
  ) {
    const { membership } = node;
    membership.acquired.on((slots) => (this.acquired += slots.length));
    membership.asked.on((slots) => (this.released += slots.length));
    membership.fenced.on(() => (this.fenced += 1));
    membership.changed.on((view) => this.onChanged(view));
  }

  get self(): number {
    return this.node.membership.self;
  }

  /**
   * A node that dies is heard by nobody, and the others stay ready. A node that hears nobody, although they beat, is no
   * longer a member.
   */
  get isReady(): boolean {
    const { state, holdsLease } = this.node.membership;
    if (state !== 'member' || !holdsLease) return false;
    if (this.heardAs !== this.self && this.hearsAll) this.heardAs = this.self;
    return this.heardAs === this.self;
  }

  get figures(): NodeFigures {
    const { acquired, released, fenced, takeovers, links } = this;
    const { packetsSent, rejected } = this.node.links;
    return {
      ...this.delivery.load,
      nodes: this.others.length + 1,
      links,
      acquired,
      released,
      fenced,
      takeovers,
      packetsSent,
      packetsRefused: rejected,
    };
  }

  homeOf(user: string): number | null {
    return this.node.membership.view.owners[slotOf(user)] ?? null;
  }

  register(name: string, handler: (argument: unknown, from: number) => unknown): void {
    this.node.calls.register(name, handler);
  }

  call(node: number, name: string, argument: unknown, withinMs?: number): Promise<unknown> {
    return this.node.calls.call(node, name, argument, withinMs);
  }

  all(name: string, argument: unknown, withinMs?: number): ReturnType<Cluster['all']> {
    return this.node.calls.all(name, argument, withinMs);
  }

  private get others(): readonly NodeInfo[] {
    return this.node.membership.view.nodes.filter(({ id }) => id !== this.self);
  }

  /** Before it has read of itself, it knows nobody whom it could hear. */
  private get hearsAll(): boolean {
    const isKnown = this.node.membership.view.nodes.some(({ id }) => id === this.self);
    return isKnown && this.links === this.others.length;
  }

  private get links(): number {
    return this.others.filter(({ id }) => this.node.links.to(id) !== null).length;
  }

  private onChanged({ nodes }: View): void {
    const ids = new Set(nodes.map(({ id }) => id));
    const gone = this.known.filter(({ id, isLeaving }) => !isLeaving && !ids.has(id) && id !== this.self);
    this.takeovers += gone.length;
    this.known = nodes;
  }
}
