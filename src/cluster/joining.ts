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
  /** How long messages are recorded, in milliseconds, which all nodes must have in common; null when they are not. */
  readonly recordMs: number | null;
  /** Options that may differ while a deploy runs, by name. */
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * Gives a node its row, as a part of a change. Rejects with a StoreError when nodes that live do not have the same
 * `sessions`, or do not record alike: they would decide differently which connection of a user goes, and what a receipt
 * promises.
 */
export async function insertNode(
  table: NodeTable,
  self: number,
  { release, sessions, recordMs, options }: NodeSettings,
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
  const recordingMs = living.filter((text) => text !== '').map((text) => optionOf(text, 'recordMs') ?? null);
  if (recordingMs.some((other) => other !== recordMs)) {
    throw new StoreError(
      `This node ${says(recordMs)}, and others of the cluster do not; give all the same record.keepMs. To change it, stop all nodes first.`,
    );
  }
  await table.insert(self, release, isLeaving, JSON.stringify({ recordMs, ...options }));
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

function says(recordMs: number | null): string {
  return recordMs === null ? 'records nothing' : `records messages for ${recordMs} ms`;
}

function optionOf(text: string, name: string): unknown {
  return (JSON.parse(text) as Record<string, unknown>)[name];
}
