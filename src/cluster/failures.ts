import { QueryRunnerAlreadyReleasedError } from 'typeorm';
import { StoreError } from '../database/store-file.js';
import { ChatError } from '../protocol/chat-error.js';
import { faultOf } from '../offline-messages/store-fault.js';
import { TIMINGS } from './timings.js';

/**
 * Returns what an error of the database means for a session of a node, without a full stop. The words of the driver come
 * last: alone they name a lock or an object of the driver, and an operator would look for the wrong thing.
 */
export function reasonOf(error: unknown): string {
  const words = (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
  if (error instanceof StoreError || error instanceof ChatError) return words;
  if (error instanceof QueryRunnerAlreadyReleasedError) return 'its session with Postgres has ended';
  switch (faultOf(error)) {
    case 'locked':
      return `another session holds a lock that it needs (${words})`;
    case 'refused':
      return `Postgres refused a statement (${words})`;
    case 'fenced':
      return words;
    default:
      return `it lost its session with Postgres (${words})`;
  }
}

/** What a failed round of a node's membership means for it. */
export function failedRound(error: unknown, node: number, hasPlace: boolean): string {
  const reason = reasonOf(error);
  if (!hasPlace)
    return `This node has no place in its cluster, and can't join again yet: ${reason}. It goes on trying.`;
  if (faultOf(error) === 'locked')
    return `Node ${node} can't change the list of nodes yet: ${reason}. It keeps its slots and tries again.`;
  return `Node ${node} can't tell the others that it lives: ${reason}. It goes on trying; ${TIMINGS.overdueMs / 1_000} s after its last beat they may take its slots over.`;
}
