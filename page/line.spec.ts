import { changeBy, changed, EVERYONE, receivedLine, sentLine, type LineState } from './line.js';

describe('a line', () => {
  const message = {
    id: '1',
    from: 'bob',
    to: 'ada',
    content: 'hello',
    sentAt: '2026-11-23T09:30:00.000Z',
    stored: false,
    redelivered: false,
  };
  const sent = sentLine({ id: '1', to: 'bob', content: 'hello', at: 7 }, 'ada');
  const in_ = (state: LineState) => ({ ...sent, state });

  it('belongs to the conversation with the other, with everyone, or with oneself', () => {
    expect(receivedLine(message, 'ada', 0).conversation).toBe('bob');
    expect(receivedLine({ ...message, to: '*' }, 'ada', 0).conversation).toBe(EVERYONE);
    expect(receivedLine({ ...message, to: '*' }, '*', 0).conversation).toBe('bob');
    expect(receivedLine({ ...message, from: 'ada' }, 'ada', 0).conversation).toBe('ada');
    expect(sent.conversation).toBe('bob');
    expect(sentLine({ id: '1', to: null, content: '', at: 7 }, 'ada').conversation).toBe(EVERYONE);
  });

  it('of a message to oneself is one, whether it was sent or received', () => {
    const own = sentLine({ id: '1', to: 'ada', content: 'hello', at: 7 }, 'ada');
    expect(receivedLine({ ...message, from: 'ada' }, 'ada', 0).key).toBe(own.key);
  });

  it('says for how long a delayed message waited, and never less than nothing', () => {
    const at = Date.parse(message.sentAt);
    expect(receivedLine({ ...message, stored: true }, 'ada', at + 5).waitedMs).toBe(5);
    expect(receivedLine({ ...message, stored: true }, 'ada', at - 5).waitedMs).toBe(0);
    expect(receivedLine(message, 'ada', at + 5).waitedMs).toBeNull();
  });

  it.each<[LineState, LineState, LineState]>([
    ['pending', 'stored', 'stored'],
    ['stored', 'delivered', 'delivered'],
    ['delivered', 'stored', 'delivered'],
    ['expired', 'stored', 'expired'],
    ['stored', 'pending', 'stored'],
    ['refused', 'pending', 'pending'],
    ['refused', 'stored', 'stored'],
    ['stored', 'evicted', 'evicted'],
  ])('that is %s and is told %s is %s', (before, told, after) => {
    expect(changed(in_(before), { state: told }).state).toBe(after);
  });

  it('has the server’s time once it is known, and the reason of a refusal', () => {
    const receipt = { id: '1', to: 'bob', status: 'stored', sentAt: message.sentAt } as const;
    expect(changed(sent, changeBy(receipt)).at).toBe(Date.parse(message.sentAt));
    const refusal = { id: '1', to: 'bob', status: 'refused', code: 'MAILBOX_FULL', message: 'full' } as const;
    expect(changed(sent, changeBy(refusal))).toMatchObject({
      state: 'refused',
      code: 'MAILBOX_FULL',
      reason: 'full',
      at: 7,
    });
  });
});
