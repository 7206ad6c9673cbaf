import { History, type SentMessage } from '../support/history.js';
import { faultsOfDevice, faultsOfRecord, type RecordedRow } from '../support/record-check.js';

const message = (id: string): SentMessage => ({ id, from: 'alice', to: 'bob', content: `this is ${id}` });
/** Messages in the record, at the positions 1, 2, 3 … */
const recorded = (...ids: string[]): RecordedRow[] =>
  ids.map((id, index) => ({ ...message(id), position: String(index + 1) }));

describe('the judgement of a record', () => {
  let history: History;
  beforeEach(() => {
    history = new History();
    for (const id of ['a', 'b', 'c']) history.attempted(message(id));
    history.receipted('alice', 'a', 'stored', '1');
    history.arrived({ ...message('b'), connection: 'bob#1', seq: 1, stored: false, position: '2' });
  });

  it('finds no fault in what is there once and in order, with or without a receipt', () => {
    expect(faultsOfRecord(history.entries, recorded('a'))).toEqual([]);
    expect(faultsOfRecord(history.entries, recorded('a', 'b', 'c'))).toEqual([]);
  });

  it('calls nothing misplaced that was sent again in between, and lets an attempt that failed have another place', () => {
    history.attempted(message('b'));
    history.arrived({ ...message('b'), connection: 'bob#2', seq: 1, stored: false, position: '3' });
    expect(faultsOfRecord(history.entries, recorded('a', 'c', 'b'))).toEqual([]);
  });

  it('lets what was sent again have the place of the first attempt, of which nobody heard, but no later one', () => {
    history.attempted(message('b'));
    expect(faultsOfRecord(history.entries, recorded('b'))).not.toContainEqual(expect.stringMatching(/^b at 1/));
    expect(faultsOfRecord(history.entries, recorded('a', 'c', 'b'))).toContain('b at 3 came to bob as 2');
  });

  it.each<[string, string, RecordedRow[]]>([
    ['a receipt for what is not there', 'a was called stored and is not there', []],
    ['what nobody sent', 'x at 2 was never sent', recorded('a', 'x')],
    ['what was sent to somebody else', 'a at 1 was never sent', [{ ...recorded('a')[0]!, to: 'carol' }]],
    ['what is there twice', 'c at 3 is there twice', recorded('a', 'c', 'c')],
    ['other words', 'a at 1 is there in other words', [{ ...recorded('a')[0]!, content: '' }]],
    ['another place than that of the receipt', 'a at 2 is at 1 by its receipt', recorded('c', 'a')],
    ['a place that no arrival had', 'b at 1 came to bob as 2', recorded('b')],
    ['an order that is not that of sending', 'b at 2 is behind a later one of alice to bob', recorded('c', 'b')],
  ])('negative control: it finds %s', (_name, fault, rows) => {
    expect(faultsOfRecord(history.entries, rows)).toContain(fault);
  });

  it('notes a receipt that names another position than the first one', () => {
    history.attempted(message('a'));
    history.receipted('alice', 'a', 'stored', '2');
    expect(history.faultsSoFar).toEqual(['run 1: alice has receipts of two positions for a']);
  });

  it('finds no fault in a device that has got all of its user, in any order', () => {
    const rows = [...recorded('a', 'b'), { ...message('c'), from: 'carol', position: '3' }];
    expect(faultsOfDevice('alice', recorded('a', 'b').toReversed(), rows)).toEqual([]);
    expect(faultsOfDevice('bob', rows, rows)).toEqual([]);
  });

  it.each<[string, string, RecordedRow[]]>([
    ['what it did not get', 'bob did not get b at 2', recorded('a')],
    ['what it got twice', 'bob got a twice', [...recorded('a', 'b'), ...recorded('a')]],
    ['what it got at another place', 'bob got b at 3, and it is at 2', [recorded('a')[0]!, recorded('', '', 'b')[2]!]],
    ['what is not there', 'bob got c at 3, which is not there', recorded('a', 'b', 'c')],
  ])('negative control: it finds %s', (_name, fault, items) => {
    expect(faultsOfDevice('bob', items, recorded('a', 'b'))).toEqual([fault]);
  });
});
