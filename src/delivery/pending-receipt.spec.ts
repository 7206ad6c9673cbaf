import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ChatError } from '../protocol/chat-error.js';
import type { Receipt } from '../protocol/message.js';
import { PendingReceipt, IdempotencyCache } from './pending-receipt.js';

const answerTo = (id: string, from = 'alice', to = 'bob') => new PendingReceipt({ id, from, to }, null);
const REMEMBERED = 10_000;

describe('Answer', () => {
  const identity = { id: 'm1', from: 'alice', to: 'bob' };
  /** A sender that notes what it hears. */
  const listener = () => {
    const heard: unknown[] = [];
    const sender = {
      onReceipt: ({ status, sentAt }: Receipt, repeated: boolean) => heard.push([status, sentAt, repeated]),
      onRefused: ({ code }: ChatError, id: string) => heard.push([code, id]),
    };
    return { sender, heard };
  };

  it('tells the sender and those who joined of the first receipt, each once', () => {
    const [first, before, after] = [listener(), listener(), listener()];
    const answer = new PendingReceipt(identity, first.sender);
    answer.join(before.sender);
    answer.receipted('stored', 7);
    answer.receipted('delivered', 8);
    answer.join(after.sender);
    expect(first.heard).toEqual([['stored', 7, false]]);
    expect(before.heard).toEqual([['stored', 7, true]]);
    expect(after.heard).toEqual([['stored', 7, true]]);
  });

  it('tells all who wait of a refusal', () => {
    const [first, joined] = [listener(), listener()];
    const answer = new PendingReceipt(identity, first.sender);
    answer.join(joined.sender);
    answer.refused(new ChatError('MAILBOX_FULL', 'full'));
    expect([first.heard, joined.heard]).toEqual([[['MAILBOX_FULL', 'm1']], [['MAILBOX_FULL', 'm1']]]);
  });

  it('says of a repeat in the store that it is one, to its only sender, too', () => {
    const { sender, heard } = listener();
    new PendingReceipt(identity, sender).receipted('stored', 7, true);
    expect(heard).toEqual([['stored', 7, true]]);
  });

  it('keeps no sender that was told: it is remembered for longer than a connection lasts', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const [kept, gone] = [new WeakRef(listener().sender), new WeakRef(listener().sender)];
    const told = new PendingReceipt(identity, gone.deref()!);
    const waiting = new PendingReceipt(identity, kept.deref()!);
    told.receipted('delivered', 7);
    await new Promise((resolve) => setImmediate(resolve)); // A WeakRef holds on until the turn ends.
    collect();
    expect([kept.deref() === undefined, gone.deref() === undefined]).toEqual([false, true]);
    for (const answer of [told, waiting]) expect(answer).toMatchObject(identity); // They are still here.
  });
});

describe('RememberedAnswers', () => {
  it('tells messages apart by id, sender and recipient', () => {
    const remembered = new IdempotencyCache();
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
    const remembered = new IdempotencyCache();
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
    const remembered = new IdempotencyCache();
    for (let n = 0; n < 3 * REMEMBERED; n += 1) remembered.add(answerOf(n));
    const found = (n: number) => remembered.find(answerOf(n)) !== undefined;
    expect(Array.from({ length: REMEMBERED }, (_, n) => found(2 * REMEMBERED + n))).not.toContain(false);
    expect(Array.from({ length: REMEMBERED }, (_, n) => found(n))).not.toContain(true);
  });
});
