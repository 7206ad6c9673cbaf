import { History, tableOf, type Arrival, type SentMessage, type Verdict } from '../support/history.js';

const FAULTLESS = { refused: 0, lost: 0, duplicated: 0, unexpected: 0, reordered: 0, premature: 0, faults: [] };

const message = (id: string): SentMessage => ({ id, from: 'alice', to: 'bob', content: `this is ${id}` });
const arrival = (id: string, seq: number | null, connection = 'bob#1'): Arrival => ({
  ...message(id),
  connection,
  seq,
  stored: false,
});

describe('the judgement of a history', () => {
  let history: History;
  beforeEach(() => {
    history = new History();
  });

  it('finds no fault in messages that came once and in order, whichever way they were receipted', () => {
    attempt('a', 'b', 'c');
    history.receipted('alice', 'c', 'stored');
    arrive('a', 'b');
    history.acknowledged('bob#1', 1);
    history.receipted('alice', 'a', 'delivered');
    history.acknowledged('bob#1', 2);
    history.receipted('alice', 'b', 'delivered');
    history.arrived(arrival('c', 3));
    expect(history.check()).toEqual({
      ...FAULTLESS,
      attempts: 3,
      resent: 0,
      acknowledged: 3,
      delivered: 2,
      recovered: 0,
    });
  });

  it('finds no fault in what a kill may do: nothing with no receipt came, the rest came later and twice', () => {
    attempt('a', 'b', 'c');
    history.receipted('alice', 'a', 'stored');
    history.receipted('alice', 'b', 'stored');
    history.arrived(arrival('a', 1));
    expect(history.owed).toBe(2);
    expect(history.unanswered).toBe(1);
    history.restarted();
    attempt('c');
    arriveAt('bob#2', 'a', 'b', 'c');
    history.acknowledged('bob#2');
    history.receipted('alice', 'c', 'delivered');
    expect(history.owed).toBe(0);
    expect(history.check()).toEqual({
      ...FAULTLESS,
      attempts: 3,
      resent: 1,
      acknowledged: 3,
      delivered: 1,
      duplicated: 1,
      recovered: 1,
    });
  });

  it('calls nothing lost that has no receipt, and nothing reordered that was sent again in between', () => {
    attempt('a', 'b', 'never received');
    history.receipted('alice', 'b', 'stored');
    history.restarted();
    attempt('a');
    arriveAt('bob#2', 'b', 'a');
    expect(history.check()).toMatchObject({ ...FAULTLESS, attempts: 3, acknowledged: 1 });
  });

  it('takes a message for two when it was acknowledged and then sent again', () => {
    attempt('a');
    history.restarted();
    arriveAt('bob#2', 'a');
    history.acknowledged('bob#2', 1);
    attempt('a');
    history.arrived(arrival('a', 2, 'bob#2'));
    expect(history.check()).toMatchObject({ ...FAULTLESS, duplicated: 1 });
  });

  it.each<[string, Partial<Verdict>, string, () => void]>([
    [
      'a message that was stored and never came',
      { lost: 1 },
      'a was called stored in run 1 and never came to bob',
      () => {
        attempt('a', 'b');
        history.receipted('alice', 'a', 'stored');
        history.restarted();
        arriveAt('bob#2', 'b');
      },
    ],
    [
      'a message that was delivered, and only the server says so',
      { lost: 1, premature: 1 },
      'a was called delivered and bob had not acknowledged it',
      () => {
        attempt('a');
        history.receipted('alice', 'a', 'delivered');
      },
    ],
    [
      'a message that was called delivered while its recipient said nothing',
      { premature: 1 },
      'a was called delivered and bob had not acknowledged it',
      () => {
        attempt('a');
        arrive('a');
        history.receipted('alice', 'a', 'delivered');
      },
    ],
    [
      'a message that came twice on one connection, unacknowledged',
      { duplicated: 1, unexpected: 1 },
      'bob got a again on bob#1 with the first one unacknowledged',
      () => {
        attempt('a', 'a');
        arrive('a', 'a');
      },
    ],
    [
      'a message that came again after it was acknowledged, and nobody had sent it again',
      { duplicated: 1, unexpected: 1 },
      'bob got a again on bob#1, and nobody sent it again',
      () => {
        attempt('a');
        arrive('a');
        history.acknowledged('bob#1', 1);
        history.arrived(arrival('a', 2));
      },
    ],
    [
      'a message that nobody sent',
      { unexpected: 1 },
      'bob got x of alice, which was never sent there',
      () => arrive('x'),
    ],
    [
      'a message that was sent to somebody else',
      { unexpected: 1 },
      'carol got a of alice, which was never sent there',
      () => {
        attempt('a');
        history.arrived({ ...arrival('a', 1, 'carol#1'), to: 'carol' });
      },
    ],
    [
      'a message in other words, the second time',
      { duplicated: 1, unexpected: 1 },
      'bob got a of alice in other words',
      () => {
        attempt('a');
        arrive('a');
        history.arrived({ ...arrival('a', 1, 'bob#2'), content: 'this is ' });
      },
    ],
    [
      'a message that is left out in the numbering',
      { unexpected: 1 },
      'bob got seq 3 on bob#1 and not 2',
      () => {
        attempt('a', 'b');
        arrive('a');
        history.arrived(arrival('b', 3));
      },
    ],
    [
      'a message that was overtaken',
      { reordered: 1 },
      'bob got a of alice behind a later one',
      () => {
        attempt('a', 'b');
        arrive('b', 'a');
      },
    ],
    [
      'a receipt for nothing',
      { unexpected: 1 },
      'alice has a receipt for x, which was never sent',
      () => history.receipted('alice', 'x', 'stored'),
    ],
    [
      'a second receipt for one attempt',
      { unexpected: 1, lost: 1 },
      'alice has a receipt too many for a',
      () => {
        attempt('a');
        history.receipted('alice', 'a', 'stored');
        history.receipted('alice', 'a', 'stored');
      },
    ],
    [
      'a refusal of nothing',
      { unexpected: 1 },
      'alice has a refusal for x, which was never sent',
      () => history.refused('alice', 'x'),
    ],
  ])('negative control: it finds %s', (_name, found, fault, happens) => {
    happens();
    const verdict = history.check();
    expect(verdict).toMatchObject({ ...FAULTLESS, ...found, faults: expect.any(Array) });
    expect(verdict.faults).toContainEqual(expect.stringContaining(fault));
  });

  it('is printed as a table', () => {
    attempt('a');
    arrive('a');
    expect(tableOf(history.check()).split('\n')).toEqual([
      'attempts  resent  acknowledged  delivered  refused  lost  duplicated  unexpected  recovered  reordered  premature',
      '       1       0             0          0        0     0           0           0          0          0          0',
      '',
    ]);
  });

  function attempt(...ids: string[]): void {
    for (const id of ids) history.attempted(message(id));
  }

  function arrive(...ids: string[]): void {
    arriveAt('bob#1', ...ids);
  }

  function arriveAt(connection: string, ...ids: string[]): void {
    ids.forEach((id, index) => history.arrived(arrival(id, index + 1, connection)));
  }
});
