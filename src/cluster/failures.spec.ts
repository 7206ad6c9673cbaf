import { QueryFailedError, QueryRunnerAlreadyReleasedError } from 'typeorm';
import { StoreError } from '../database/store-file.js';
import { Fenced } from '../offline-messages/store-fault.js';
import { failedRound, reasonOf } from './failures.js';

const failed = (message: string, code?: string) =>
  new QueryFailedError('SELECT 1', [], Object.assign(new Error(message), code === undefined ? {} : { code }));
const LOCKED = failed('canceling statement due to lock timeout', '55P03');
const LOST = failed('Connection terminated unexpectedly');

describe('why a statement of a node failed', () => {
  it.each([
    ['another session holds a lock that it needs (canceling statement due to lock timeout)', LOCKED],
    ['Postgres refused a statement (permission denied for table x)', failed('permission denied for table x', '42501')],
    ['it lost its session with Postgres (Connection terminated unexpectedly)', LOST],
    ['it lost its session with Postgres (Query read timeout)', failed('Query read timeout')],
    ['its session with Postgres has ended', new QueryRunnerAlreadyReleasedError()],
    ['this node is not a member of the cluster any more', new Fenced()],
    ['Give all the same', new StoreError('Give all the same.')],
  ])('is told as: %s', (words, error) => {
    expect(reasonOf(error)).toBe(words);
  });
});

describe('a failed round', () => {
  it('says what it means for the node, and what the node does', () => {
    expect(failedRound(LOCKED, 3, true)).toMatch(/^Node 3 can't change .* It keeps its slots and tries again\.$/);
    expect(failedRound(LOST, 3, true)).toMatch(/^Node 3 can't tell .* 6 s after its last beat they may take its slots/);
    const other = new StoreError('This node has other sessions; give all the same.');
    expect(failedRound(other, 3, false)).toBe(
      "This node has no place in its cluster, and can't join again yet: This node has other sessions; give all the same. It goes on trying.",
    );
  });
});
