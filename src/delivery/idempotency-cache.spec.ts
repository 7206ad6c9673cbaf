import { IdempotencyCache } from './idempotency-cache.js';
import { PendingReceipt } from './pending-receipt.js';

const REMEMBERED = 10_000;
const receiptOf = (id: string, from = 'alice', to = 'bob') => new PendingReceipt({ id, from, to }, null);

describe('IdempotencyCache', () => {
  it('tells messages apart by id, sender and recipient', () => {
    const remembered = new IdempotencyCache();
    const receipts = [
      receiptOf('1'),
      receiptOf('1', 'alice', 'carol'),
      receiptOf('1', 'bob', 'alice'),
      receiptOf('2', 'bob', 'alice'),
      receiptOf('1', 'carol'),
    ];
    for (const [n, receipt] of receipts.entries()) {
      expect(receipts.map((each) => remembered.find(each))).toEqual(
        receipts.map((each, m) => (m < n ? each : undefined)),
      );
      remembered.add(receipt);
    }
    for (const { id, from, to } of receipts) {
      expect(remembered.find({ id, from, to })).toMatchObject({ id, from, to });
    }
    expect(remembered.find({ id: '2', from: 'alice', to: 'bob' })).toBeUndefined();
    expect(remembered.find({ id: '1', from: 'bob', to: 'bob' })).toBeUndefined();
  });

  it('removes the one message that it is told to', () => {
    const remembered = new IdempotencyCache();
    const [alone, first, second] = [receiptOf('a'), receiptOf('b'), receiptOf('b', 'carol')];
    for (const receipt of [alone, first, second]) remembered.add(receipt);
    remembered.remove({ id: 'a', from: 'carol', to: 'bob' });
    expect(remembered.find(alone)).toBe(alone);
    for (const receipt of [alone, first]) remembered.remove(receipt);
    expect([alone, first, second].map((receipt) => remembered.find(receipt))).toEqual([undefined, undefined, second]);
    remembered.add(first);
    expect(remembered.find(first)).toBe(first);
  });

  it('removes a message of the older generation', () => {
    const remembered = new IdempotencyCache();
    const first = receiptOf('first');
    remembered.add(first);
    for (let n = 0; n < REMEMBERED; n += 1) remembered.add(receiptOf(String(n)));
    expect(remembered.find(first)).toBe(first);
    remembered.remove(first);
    expect(remembered.find(first)).toBeUndefined();
  });

  it.each([
    ['ids that are all different', (n: number) => receiptOf(String(n))],
    ['one id for many recipients', (n: number) => receiptOf('same', 'alice', `user${n}`)],
  ])('remembers at least the last 10,000 receipts and at most twice as many, with %s', (_name, receiptFor) => {
    const remembered = new IdempotencyCache();
    for (let n = 0; n < 3 * REMEMBERED; n += 1) remembered.add(receiptFor(n));
    const found = (n: number) => remembered.find(receiptFor(n)) !== undefined;
    expect(Array.from({ length: REMEMBERED }, (_, n) => found(2 * REMEMBERED + n))).not.toContain(false);
    expect(Array.from({ length: REMEMBERED }, (_, n) => found(n))).not.toContain(true);
  });
});
