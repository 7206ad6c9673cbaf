import fc from 'fast-check';
import { SEED } from '../../test/support/seed.js';
import { ChatError } from '../protocol/chat-error.js';
import type { Receipt } from '../protocol/message.js';
import { IdempotencyCache } from './idempotency-cache.js';
import { PendingReceipt, type MessageIdentity, type OutcomeListener } from './pending-receipt.js';

const REMEMBERED = 10_000;
const full = new ChatError('MAILBOX_FULL', 'full');
const identity = (id: string, from = 'alice', to = 'bob') => ({ id, from, to });

/** A sender that notes what it hears. */
function newSender() {
  const heard: unknown[] = [];
  return {
    heard,
    onReceipt: (receipt: Receipt, repeated: boolean) => heard.push({ ...receipt, repeated }),
    onRefused: ({ code }: ChatError, id: string) => heard.push({ id, code }),
  };
}

/** Returns the receipt that a repeat gets; undefined when the message is new, and forgets it then. */
function receiptOf(remembered: IdempotencyCache, message: MessageIdentity): Receipt | undefined {
  let receipt: Receipt | undefined;
  const onReceipt = (repeated: Receipt) => (receipt = repeated);
  remembered.accept(message, { onReceipt, onRefused: () => undefined })?.refused(full);
  return receipt;
}

describe('IdempotencyCache', () => {
  it('tells messages apart by id, sender and recipient', () => {
    const remembered = new IdempotencyCache();
    const messages = [
      identity('1'),
      identity('1', 'alice', 'carol'),
      identity('1', 'bob', 'alice'),
      identity('2', 'bob', 'alice'),
      identity('1', 'carol'),
      identity('1a', 'lice'),
      identity('1', 'alic', 'ebob'),
    ];
    for (const [n, message] of messages.entries()) {
      expect(messages.map((each) => receiptOf(remembered, each))).toEqual(
        messages.map(({ id }, m) => (m < n ? { id, status: 'delivered', sentAt: m } : undefined)),
      );
      remembered.accept(message, newSender())!.receipted('delivered', n);
    }
  });

  it('knows the receipt already when the sender, who may repeat the message at once, is told', () => {
    const remembered = new IdempotencyCache();
    const again = newSender();
    const onReceipt = () => expect(remembered.accept(identity('1'), again)).toBeNull();
    remembered.accept(identity('1'), { ...newSender(), onReceipt })!.receipted('stored', 7);
    expect(again.heard).toEqual([{ id: '1', status: 'stored', sentAt: 7, repeated: true }]);
  });

  it('accepts a message again that was refused, even while the sender is told', () => {
    const remembered = new IdempotencyCache();
    let again: PendingReceipt | null = null;
    const onRefused = () => (again = remembered.accept(identity('1'), newSender()));
    remembered.accept(identity('1'), { ...newSender(), onRefused })!.refused(full);
    expect(again).not.toBeNull();
  });

  it.each([
    ['ids that are all different', (n: number) => identity(String(n))],
    ['one id for many recipients', (n: number) => identity('same', 'alice', `user${n}`)],
    [
      'the longest ids and names',
      (n: number) => identity(String(n).padStart(64, '0'), 'ä'.repeat(64), 'b'.repeat(128)),
    ],
  ])('remembers at least the last 10,000 receipts and at most twice as many, with %s', (_name, nth) => {
    const remembered = new IdempotencyCache();
    for (let n = 0; n < 3 * REMEMBERED; n += 1) remembered.accept(nth(n), newSender())!.receipted('stored', n);
    const sentAt = (n: number) => receiptOf(remembered, nth(n))?.sentAt;
    const last = Array.from({ length: REMEMBERED }, (_, n) => 2 * REMEMBERED + n);
    expect(last.map(sentAt)).toEqual(last);
    expect(Array.from({ length: REMEMBERED }, (_, n) => sentAt(n)).filter((each) => each !== undefined)).toEqual([]);
  });

  it('answers as Maps of whole identities would, also when every message has the same hash', () => {
    const user = fc.constantFrom('ann', 'ça');
    const message = fc.record({ id: fc.constantFrom('m', 'm'.repeat(64)), from: user, to: user });
    const what = fc.constantFrom('accept', 'accept', 'delivered', 'stored', 'refused', 'read');
    const steps = fc.array(fc.record({ message, what }), { minLength: 30, maxLength: 60 });
    const hash = fc.constantFrom<(of: MessageIdentity) => number>(
      () => 7,
      ({ id, to }) => id.length * 0x8000 - to.length,
    );
    fc.assert(
      fc.property(hash, fc.integer({ min: 1, max: 4 }), steps, (hashOf, remembered, each) => {
        const heard = heardFrom(new IdempotencyCache(remembered, hashOf), each);
        expect(heard).toEqual(heardFrom(new MapModel(remembered), each));
      }),
      { numRuns: 500, seed: SEED },
    );
  });
});

type Step = { readonly message: MessageIdentity; readonly what: string };

/** Returns all that senders hear, with the number of the message that each of them sent. */
function heardFrom(remembered: Pick<IdempotencyCache, 'accept' | 'addStored'>, steps: readonly Step[]): unknown[] {
  const heard: unknown[] = [];
  const open = new Map<string, PendingReceipt>();
  for (const [n, { message, what }] of steps.entries()) {
    const pending = open.get(keyOf(message));
    if (what === 'read') remembered.addStored({ ...message, sentAt: n });
    else if (what !== 'accept') open.delete(keyOf(message));
    if (what === 'refused') pending?.refused(full);
    if (what === 'delivered' || what === 'stored') pending?.receipted(what, n);
    if (what !== 'accept') continue;
    const accepted = remembered.accept(message, {
      onReceipt: (receipt, repeated) => heard.push([n, receipt, repeated]),
      onRefused: ({ code }, id) => heard.push([n, code, id]),
    });
    heard.push([n, accepted === null ? 'repeat' : 'new']);
    if (accepted) open.set(keyOf(message), accepted);
  }
  return heard;
}

/** The same with Maps, whose keys are whole identities. */
class MapModel {
  private readonly open = new Map<string, PendingReceipt>();
  private recent = new Map<string, Receipt>();
  private older = new Map<string, Receipt>();

  constructor(private readonly remembered: number) {}

  accept(message: MessageIdentity, listener: OutcomeListener): PendingReceipt | null {
    const key = keyOf(message);
    const receipt = this.recent.get(key) ?? this.older.get(key);
    if (receipt) listener.onReceipt(receipt, true);
    else this.open.get(key)?.join(listener);
    if (receipt || this.open.has(key)) return null;
    const added = new PendingReceipt(message, listener, {
      onReceipt: (_pending, status, sentAt) => {
        this.open.delete(key);
        this.remember(key, { id: message.id, status, sentAt });
      },
      onRefused: () => this.open.delete(key),
    });
    this.open.set(key, added);
    return added;
  }

  addStored(message: MessageIdentity & { readonly sentAt: number }): void {
    const { id, sentAt } = message;
    const key = keyOf(message);
    const isKnown = this.open.has(key) || this.recent.has(key) || this.older.has(key);
    if (!isKnown) this.remember(key, { id, status: 'stored', sentAt });
  }

  private remember(key: string, receipt: Receipt): void {
    if (this.recent.size === this.remembered) [this.older, this.recent] = [this.recent, new Map()];
    this.recent.set(key, receipt);
  }
}

function keyOf({ id, from, to }: MessageIdentity): string {
  return JSON.stringify([id, from, to]);
}
