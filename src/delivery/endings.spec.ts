import { Logger } from '@nestjs/common';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Emitter } from '../options/emitter.js';
import type { WireEnding } from '../protocol/wire.js';
import type { Delivery } from './delivery.js';
import { Endings } from './endings.js';
import { mailboxKeyOf, type MailboxStore, type RemovalReason, type StoredHeader } from './mailbox-store.js';

const ONE_SWEEP = 100_000;

let written: (readonly WireEnding[])[];
let lookedUp: string[];
/** How often it was asked whether a sender is connected. */
let asked: number;
let removed: Emitter<StoredHeader, RemovalReason>;

function row(from: string, n: number): StoredHeader {
  return { mailbox: mailboxKeyOf('bob'), position: n, from, to: 'bob', id: `m${n}`, bytes: 1, sentAt: 0 };
}

beforeEach(() => {
  written = [];
  lookedUp = [];
  asked = 0;
  removed = new Emitter(new Logger('Test'), 'removed');
  const delivery = {
    hears: (user: string) => {
      asked += 1;
      return user === 'alice';
    },
    tell: (user: string, { endings }: { endings: readonly WireEnding[] }) => {
      lookedUp.push(user);
      written.push(endings);
    },
  };
  new Endings(delivery as unknown as Delivery, { removed } as unknown as MailboxStore);
});

describe('the endings of stored messages', () => {
  it('of one turn are one frame for each sender who is connected', async () => {
    removed.emit(row('alice', 1), 'confirmed');
    removed.emit(row('carol', 2), 'expired');
    removed.emit(row('alice', 3), 'purged');
    expect(written).toEqual([]);
    await nextTurn();
    expect(written).toEqual([
      [
        { id: 'm1', to: 'bob', end: 'delivered' },
        { id: 'm3', to: 'bob', end: 'purged' },
      ],
    ]);
    removed.emit(row('alice', 4), 'evicted');
    await nextTurn();
    expect(written.slice(1)).toEqual([[{ id: 'm4', to: 'bob', end: 'evicted' }]]);
  });

  it('cost a sender who is away one look-up, and nobody is looked for', async () => {
    for (let n = 0; n < ONE_SWEEP; n += 1) removed.emit(row('carol', n), 'expired');
    await nextTurn();
    expect([lookedUp, written]).toEqual([[], []]);
  });

  it('are told of 1,000 in a turn, however many a sweep removes, and the rest costs nothing', async () => {
    for (let n = 0; n < ONE_SWEEP; n += 1) removed.emit(row('alice', n), 'expired');
    expect(asked).toBe(1_000);
    await nextTurn();
    expect(written.map(({ length }) => length)).toEqual([1_000]);
    removed.emit(row('alice', 0), 'expired');
    await nextTurn();
    expect(written.map(({ length }) => length)).toEqual([1_000, 1]);
  });

  it('are not told of a message whose receipt was `delivered`', async () => {
    removed.emit({ ...row('alice', 1), wasDeliveredFirst: true }, 'confirmed');
    await nextTurn();
    expect(written).toEqual([]);
  });
});
