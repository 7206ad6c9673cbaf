import { BusLinks } from '../../../src/cluster/bus-links.js';
import { Calls } from '../../../src/cluster/calls.js';
import { ClusterDelivery } from '../../../src/cluster/cluster-delivery.js';
import { Seal } from '../../../src/cluster/seal.js';
import type { Connection } from '../../../src/connections/connection.js';
import { ConnectionService } from '../../../src/connections/connection.service.js';
import { DeliveryService } from '../../../src/delivery/delivery.service.js';
import { resolveChatOptions } from '../../../src/options/chat.options.js';
import type { Message } from '../../../src/protocol/message.js';
import type { ModelConnection } from './model-connection.js';
import { ModelMembership } from './model-membership.js';
import type { ModelNetwork } from './model-network.js';
import type { ModelPostgres } from './model-postgres.js';
import { ModelProcess } from './model-process.js';
import { ModelStore } from './model-store.js';
import type { Mutant } from './mutants.js';
import type { VirtualTime } from './virtual-time.js';

const KEY = Buffer.alloc(32, 7);

/** A node of the model: the real delivery, cluster and links over a database and a network in virtual time. */
export class ModelNode {
  process!: ModelProcess;
  membership!: ModelMembership;
  home!: DeliveryService;
  delivery!: ClusterDelivery;
  readonly connections = new Set<ModelConnection>();

  constructor(
    private readonly time: VirtualTime,
    private readonly postgres: ModelPostgres,
    private readonly network: ModelNetwork,
    private readonly mutant: Mutant | null,
  ) {
    this.start();
  }

  start(): void {
    const process = (this.process = new ModelProcess(this.time));
    const options = resolveChatOptions({ clock: process.clock, ackWindow: 3 });
    const links = new BusLinks(this.network.busOf(process), new Seal(KEY, 'model'), process.clock);
    const ignoresLease = this.mutant === 'no fence, no lease';
    const membership = (this.membership = new ModelMembership(process, this.postgres, links, ignoresLease));
    const store = new ModelStore(process, this.postgres, () => membership.self, this.mutant);
    this.home = new DeliveryService(options, new ConnectionService(options), store);
    const calls = new Calls(membership, links, process.clock);
    this.delivery = new ClusterDelivery(options, this.home, store, { membership, links, calls });
    this.connections.clear();
    membership.start();
  }

  /** Whether a load balancer sends clients here. */
  get isReady(): boolean {
    return this.process.state === 'running' && this.membership.holdsLease;
  }

  kill(): void {
    this.process.kill();
    for (const connection of this.connections) {
      connection.isOpen = false;
      this.time.after(10, () => connection.client.onCut(connection));
    }
    this.connections.clear();
  }

  onConnected(connection: ModelConnection): void {
    this.connections.add(connection);
    this.delivery.attach(connection as unknown as Connection);
  }

  onClosed(connection: ModelConnection): void {
    connection.isOpen = false;
    if (!this.connections.delete(connection)) return;
    this.delivery.detach(connection as unknown as Connection);
  }

  onSent(
    connection: ModelConnection,
    { id, from, to, content }: Pick<Message, 'id' | 'from' | 'to' | 'content'>,
  ): void {
    if (!connection.isOpen) return;
    this.delivery.send(
      { id, from, to, content },
      {
        onReceipt: (receipt) => connection.write({ event: 'receipt', id: receipt.id }),
        onRefused: (_error, refused) => connection.write({ event: 'refused', id: refused }),
      },
    );
  }

  onAck(connection: ModelConnection, seq: number): void {
    if (!connection.isOpen) return;
    const confirmed = this.delivery.confirm(connection as unknown as Connection, seq);
    if (confirmed === null) throw new Error(`seq ${seq} was written to ${connection.user}, and is not known`);
  }
}
