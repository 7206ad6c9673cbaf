import type { WireRecorded } from '../../src/protocol/wire.js';
import { newThread, trimmed, withMessages, withPage, withRead, withSummary } from '../src/record/conversation.js';
import { Threads } from '../src/record/threads.js';
import { at } from './record-stage.js';

const item = (n: number, from = 'bob'): WireRecorded => ({
  position: at(n),
  id: `id-${n}`,
  from,
  to: from === 'alice' ? 'bob' : 'alice',
  content: 'hello',
  sentAt: '2026-11-26T12:00:00.000Z',
});
const items = (...numbers: number[]) => numbers.map((n) => item(n));
const numbersOf = ({ messages }: { messages: readonly WireRecorded[] }) =>
  messages.map(({ position }) => Number(position));
const page = (own: WireRecorded[], before: string | null, after: string | null = null) => ({
  id: 'q',
  items: own,
  before,
  after,
});
const NO_MARKS = { delivered: null, read: null, peerDelivered: null, peerRead: null };

describe('a conversation', () => {
  const known = withPage(newThread('bob'), {}, page(items(10, 11, 12), at(10)), 'alice');

  it('shows nothing from before its first message, as something may be missing between', () => {
    expect(numbersOf(withMessages(known, items(3, 13), 'alice'))).toEqual([10, 11, 12, 13]);
    const whole = withPage(known, { before: at(10) }, page(items(9), null), 'alice');
    expect(numbersOf(withMessages(whole, items(3), 'alice'))).toEqual([3, 9, 10, 11, 12]);
  });

  it('takes a page that reaches to what is known, and no other', () => {
    const earlier = withPage(known, { before: at(10) }, page(items(7, 9), at(7)), 'alice');
    expect([numbersOf(earlier), earlier.hasEarlier]).toEqual([[7, 9, 10, 11, 12], true]);
    expect(withPage(known, { before: at(8) }, page(items(6, 7), at(6)), 'alice')).toBe(known);
    expect(withPage(known, { after: at(1) }, page(items(2, 3), at(2), at(3)), 'alice')).toBe(known);
    const none = withPage(known, { before: at(10) }, page([], null), 'alice');
    expect([numbersOf(none), none.hasEarlier]).toEqual([[10, 11, 12], false]);
    const later = withPage(known, { after: at(12) }, page([], at(12)), 'alice');
    expect([numbersOf(later), later.hasEarlier]).toEqual([[10, 11, 12], true]);
  });

  it('has what the server has where a page is: what is gone there is gone here, what is erased is empty', () => {
    const erased: WireRecorded = { ...item(10), content: '', erased: true };
    const again = withPage(known, {}, page([erased, item(12)], at(10)), 'alice');
    expect([numbersOf(again), again.messages[0]!.content]).toEqual([[10, 12], '']);
  });

  it('begins anew with the newest page when it was only kept, and keeps what came since', () => {
    const kept = { ...withMessages(known, items(40), 'alice'), isLoaded: false };
    expect(numbersOf(withPage(kept, {}, page(items(30, 31), at(30)), 'alice'))).toEqual([30, 31, 40]);
  });

  it('counts what is unread: what the server has counted, what came since, and neither what one has said nor what is erased', () => {
    const last = item(12);
    const summed = withSummary(known, { with: 'bob', newest: at(12), last, unread: 500, ...NO_MARKS }, 'alice');
    const erased: WireRecorded = { ...item(16), content: '', erased: true };
    const now = withMessages(summed, [item(13), item(14, 'alice'), item(15), erased], 'alice');
    expect(now.unread).toBe(502);
    expect(withMessages(now, items(12, 13), 'alice').unread).toBe(502);
    expect(withRead(now, at(11), 'alice').unread).toBe(3);
    expect(withRead(now, at(13), 'alice').unread).toBe(1);
    expect(withRead(withRead(now, at(15), 'alice'), at(3), 'alice')).toMatchObject({ unread: 0, read: at(15) });
    expect(trimmed(now, 'alice', 1)).toMatchObject({ unread: 502, hasEarlier: true });
    const more = withMessages(trimmed(now, 'alice', 1), items(16), 'alice');
    expect([more.unread, withRead(more, at(15), 'alice').unread]).toEqual([503, 1]);
  });

  it('keeps the newest messages within so many characters, and one at least', () => {
    expect(numbersOf(trimmed(known, 'alice', 100, 10))).toEqual([11, 12]);
    expect(numbersOf(trimmed(known, 'alice', 100, 1))).toEqual([12]);
    expect(trimmed(known, 'alice', 100, 15)).toBe(known);
  });
});

describe('all conversations', () => {
  const make = () =>
    new Threads(
      () => false,
      () => undefined,
    );
  const sync = (after: string | undefined) => ({ event: 'sync', data: { id: 'q', ...(after && { after }) } }) as const;
  const answer = (own: WireRecorded[], after: string) =>
    ({ event: 'sync', data: { id: 'q', items: own, after, more: false, complete: true } }) as const;

  it('stay where they have come to when another tab asks from another place, and still show what it has got', () => {
    const threads = make();
    threads.learn(sync(undefined), answer([], '5'), 'alice');
    threads.learn(sync('9'), answer(items(9), '10'), 'alice');
    threads.learn(sync(undefined), answer([], '20'), 'alice');
    expect([threads.cursor, numbersOf(threads.get('bob'))]).toEqual(['5', [9]]);
    threads.learn(sync('5'), answer(items(8), '21'), 'alice');
    expect(threads.cursor).toBe('21');
  });

  it('are 1,000 at most, the newest, with 100 messages each when they are not open', () => {
    const threads = make();
    threads.messages(
      Array.from({ length: 1_100 }, (_, n) => item(n, `user ${n}`)),
      'alice',
    );
    threads.messages(
      Array.from({ length: 150 }, (_, n) => item(n + 2_000)),
      'alice',
    );
    expect([threads.list.length, threads.list.at(-1)!.with]).toEqual([1_000, 'user 101']);
    expect([threads.get('bob').messages.length, threads.get('bob').unread]).toEqual([100, 150]);
  });
});
