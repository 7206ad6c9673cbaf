import { Answer, RememberedAnswers } from './answer.js';

const answerTo = (id: string, from = 'alice', to = 'bob') => new Answer({ id, from, to }, null);
const REMEMBERED = 10_000;

describe('RememberedAnswers', () => {
  it('tells messages apart by id, sender and recipient', () => {
    const remembered = new RememberedAnswers();
    const answers = [
      answerTo('1'),
      answerTo('1', 'alice', 'carol'),
      answerTo('1', 'bob', 'alice'),
      answerTo('2', 'bob', 'alice'),
      answerTo('1', 'carol'),
    ];
    for (const [n, answer] of answers.entries()) {
      expect(answers.map((each) => remembered.find(each))).toEqual(
        answers.map((each, m) => (m < n ? each : undefined)),
      );
      remembered.add(answer);
    }
    for (const { id, from, to } of answers) {
      expect(remembered.find({ id, from, to })).toMatchObject({ id, from, to });
    }
    expect(remembered.find({ id: '2', from: 'alice', to: 'bob' })).toBeUndefined();
    expect(remembered.find({ id: '1', from: 'bob', to: 'bob' })).toBeUndefined();
  });

  it('forgets the one message that it is told to', () => {
    const remembered = new RememberedAnswers();
    const [alone, first, second] = [answerTo('a'), answerTo('b'), answerTo('b', 'carol')];
    for (const answer of [alone, first, second]) remembered.add(answer);
    remembered.forget({ id: 'a', from: 'carol', to: 'bob' });
    expect(remembered.find(alone)).toBe(alone);
    for (const answer of [alone, first]) remembered.forget(answer);
    expect([alone, first, second].map((answer) => remembered.find(answer))).toEqual([undefined, undefined, second]);
    remembered.add(first);
    expect(remembered.find(first)).toBe(first);
  });

  it.each([
    ['ids that are all different', (n: number) => answerTo(String(n))],
    ['one id for many recipients', (n: number) => answerTo('same', 'alice', `user${n}`)],
  ])('remembers at least the last 10,000 answers and at most twice as many, with %s', (_name, answerOf) => {
    const remembered = new RememberedAnswers();
    for (let n = 0; n < 3 * REMEMBERED; n += 1) remembered.add(answerOf(n));
    const found = (n: number) => remembered.find(answerOf(n)) !== undefined;
    expect(Array.from({ length: REMEMBERED }, (_, n) => found(2 * REMEMBERED + n))).not.toContain(false);
    expect(Array.from({ length: REMEMBERED }, (_, n) => found(n))).not.toContain(true);
  });
});
