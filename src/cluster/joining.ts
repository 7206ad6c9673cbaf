import { randomBytes, randomUUID } from 'node:crypto';
import type { Logger } from '@nestjs/common';
import { StoreError } from '../database/store-file.js';
import type { ClusterSecret } from './membership.js';
import type { NodeTable } from './node.table.js';

/** What a node says of itself when it joins. */
export interface NodeSettings {
  /** The version of the software. */
  readonly release: string;
  /** The option `sessions`, which all nodes must have in common. */
  readonly sessions: string;
  /** Options that may differ while a deploy runs, by name. */
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * Gives a node its row, as a part of a change. Rejects with a StoreError when nodes that live do not have the same
 * `sessions`: they would decide differently which connection of a user goes.
 */
export async function insertNode(
  table: NodeTable,
  self: number,
  { release, sessions, options }: NodeSettings,
  isLeaving: boolean,
  livingMs: number,
  logger: Logger,
): Promise<ClusterSecret> {
  const shared = await table.makeCluster({ id: randomUUID(), key: randomBytes(32), sessions });
  const living = await table.optionsOfLiving(livingMs);
  if (shared.sessions !== sessions) {
    if (living.length > 0) {
      throw new StoreError(
        `This node has sessions: '${sessions}', and the others of the cluster have '${shared.sessions}'; give all the same. To change it, stop all nodes first.`,
      );
    }
    await table.setSessions(sessions);
  }
  await table.insert(self, release, isLeaving, JSON.stringify(options));
  const differing = Object.keys(options).filter((name) =>
    living.some((text) => text !== '' && JSON.stringify(optionOf(text, name)) !== JSON.stringify(options[name])),
  );
  if (differing.length > 0) {
    logger.warn(
      `These options are not the same at all nodes: ${differing.join(', ')}; for each recipient those of one node count. Give all the same when the deploy is over.`,
    );
  }
  return { id: shared.id, key: shared.key };
}

function optionOf(text: string, name: string): unknown {
  return (JSON.parse(text) as Record<string, unknown>)[name];
}
