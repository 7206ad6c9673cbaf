import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { countOf, dayOf, durationOf, FIXED, refusalText, shortMomentOf } from './texts.js';

describe('the texts of the page', () => {
  it('are those that its HTML names, all of them and no other', () => {
    const html = readFileSync(join(import.meta.dirname, '../public/index.html'), 'utf8');
    const named = [...html.matchAll(/ data-(?:text|label|hint)="(\w+)"/g)].map(([, name]) => name!);
    expect(Object.keys(FIXED).toSorted()).toEqual([...new Set(named)].toSorted());
  });

  it.each([
    [0, '1 sec'],
    [59_400, '59 sec'],
    [60_000, '1 min'],
    [3_599_000, '59 min'],
    [3_600_000, '1 hr'],
    [47 * 3_600_000, '47 hr'],
    [48 * 3_600_000, '2 days'],
  ])('say %d ms as %s', (ms, text) => {
    expect(durationOf(ms)).toBe(text);
  });

  it('count one and many', () => {
    expect([0, 1, 2_000].map((count) => countOf(count, 'message', 'messages'))).toEqual([
      '0 messages',
      '1 message',
      '2,000 messages',
    ]);
  });

  it('say the day by its distance, also at midnight and over a change of the clocks', () => {
    const at = (text: string) => new Date(text).getTime();
    expect(dayOf(at('2026-11-23T00:00:00'), at('2026-11-23T23:59:59'))).toBe('Today');
    expect(dayOf(at('2026-11-22T23:59:59'), at('2026-11-23T00:00:00'))).toBe('Yesterday');
    expect(dayOf(at('2026-10-24T12:00:00'), at('2026-10-25T12:00:00'))).toBe('Yesterday');
    expect(dayOf(at('2026-11-20T12:00:00'), at('2026-11-23T00:00:00'))).toBe('Friday, November 20');
    expect(dayOf(at('2025-11-20T12:00:00'), at('2026-11-23T00:00:00'))).toContain('2025');
    expect(dayOf(at('2026-11-24T12:00:00'), at('2026-11-23T12:00:00'))).toBe('Tuesday, November 24');
    expect(shortMomentOf(at('2026-11-22T12:00:00'), at('2026-11-23T12:00:00'))).toBe('11/22/26');
  });

  it('say of every refusal why', () => {
    expect(refusalText('MAILBOX_FULL', 'the mailbox is full')).toBe('refused: the mailbox is full');
    expect(refusalText('UNKNOWN', 'lost')).toBe('perhaps not sent, the connection broke');
    expect(refusalText(undefined, undefined)).toBe('refused: no reason was given');
  });
});
