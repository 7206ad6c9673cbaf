import { Module, type DynamicModule } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { Delivery } from '../delivery/delivery.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import { Endings } from '../delivery/endings.js';
import { whenStartFails } from '../offline-messages/failed-start.js';
import { OfflineMessageService } from '../offline-messages/offline-message.service.js';
import { STORE_OPTIONS } from '../offline-messages/offline-messages.module.js';
import { Nodes } from '../nodes/nodes.js';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { packageVersion } from '../options/package-version.js';
import { RecordService } from '../record/record.service.js';
import { ClusterDelivery } from './cluster-delivery.js';
import { ClusterNodes } from './cluster-nodes.js';
import { joinCluster, type ClusterNode } from './cluster-node.js';
import { CLUSTER_SETTINGS, clusterSettings, type ClusterSettings } from './cluster.options.js';

/** The injection token of what makes this process a node; null when it is the only server of its database. */
export const CLUSTER_NODE = Symbol.for('holdfast:cluster-node');

/** Decides who delivers: with one server the process itself, without anything in between. */
@Module({})
export class ClusterModule {
  /** The delivery of all rooms above, on top of that of this process. */
  static register(ofThisProcess: DynamicModule): DynamicModule {
    return {
      module: ClusterModule,
      imports: [ofThisProcess],
      providers: [clusterSettings, CLUSTER, DELIVERY, Endings],
      exports: [CLUSTER_SETTINGS, CLUSTER_NODE, Delivery, ofThisProcess],
    };
  }
}

const CLUSTER = {
  provide: CLUSTER_NODE,
  // The store is named so that it is open before the node joins.
  inject: [CLUSTER_SETTINGS, STORE_OPTIONS, CHAT_OPTIONS, ModulesContainer, OfflineMessageService],
  useFactory: async (
    settings: ClusterSettings | null,
    database: Parameters<typeof joinCluster>[0],
    options: ChatOptions,
    modules: ModulesContainer,
  ): Promise<ClusterNode | null> => {
    if (settings === null) return null;
    const node = await joinCluster(database, settings, options, packageVersion());
    whenStartFails(modules, () => void node.membership.close());
    return node;
  },
};

const DELIVERY = {
  provide: Delivery,
  inject: [CHAT_OPTIONS, DeliveryService, OfflineMessageService, CLUSTER_NODE, Nodes, RecordService],
  useFactory: (
    options: ChatOptions,
    home: DeliveryService,
    { node: store }: OfflineMessageService,
    node: ClusterNode | null,
    nodes: Nodes,
    record: RecordService,
  ): Delivery => {
    if (node === null || store === null) return home;
    const delivery = new ClusterDelivery(options, home, store, node);
    nodes.join(new ClusterNodes(node, delivery));
    // Another home may have given the positions that somebody has read, and now replies to.
    record.told.on((position) => home.recording?.clock.hear(position));
    node.membership.begin();
    return delivery;
  },
};
