import { HeldMessage, type HeldState } from './held-message.js';
import { mailboxKeyOf } from './mailbox-store.js';

/** Every way of a message, from the state on the left to those on the right. */
const WAYS: Record<HeldState, readonly HeldState[]> = {
  memory: ['storing', 'ended'],
  storing: ['stored', 'memory', 'ending', 'ended'],
  stored: ['released', 'ended'],
  released: [],
  ending: ['ended'],
  ended: [],
};

/** How a message comes there. */
const PATHS: Record<HeldState, readonly HeldState[]> = {
  memory: [],
  storing: ['storing'],
  stored: ['storing', 'stored'],
  released: ['storing', 'stored', 'released'],
  ending: ['storing', 'ending'],
  ended: ['ended'],
};

const STATES = Object.keys(WAYS) as HeldState[];

function heldIn(state: HeldState): HeldMessage {
  const owner = { key: mailboxKeyOf('bob'), onSettled: () => undefined };
  const message = { id: 'm1', from: 'alice', to: 'bob', content: 'x', sentAt: 1 };
  const held = new HeldMessage(owner, message, 1, 1, null, 'memory');
  for (const next of PATHS[state]) held.moveTo(next);
  return held;
}

/** What it throws. */
function attempt(move: () => void): string | null {
  try {
    move();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

describe('a held message', () => {
  it.each(STATES.flatMap((from) => STATES.map((to) => [from, to] as const)))('from %s to %s', (from, to) => {
    const held = heldIn(from);
    const isWay = WAYS[from].includes(to);
    const failure = attempt(() => held.moveTo(to));
    expect([failure, held.state]).toEqual(isWay ? [null, to] : [`no message goes from ${from} to ${to}`, from]);
  });

  it.each([
    ['memory', { isHeld: true, isAccepted: false, hasEnded: false }],
    ['storing', { isHeld: true, isAccepted: false, hasEnded: false }],
    ['stored', { isHeld: true, isAccepted: true, hasEnded: false }],
    ['released', { isHeld: false, hasEnded: false }],
    ['ending', { isHeld: false, hasEnded: true }],
    ['ended', { isHeld: false, hasEnded: true }], // The store asks again after it has told the outcome.
  ] as const)('says in the state %s what that means', (state, meaning) => {
    expect(heldIn(state)).toMatchObject(meaning);
  });

  it.each([
    ['memory', true],
    ['storing', true],
    ['stored', false],
  ] as const)('is accepted by the connection that it is written to, once: in the state %s %p', (state, accepts) => {
    const held = heldIn(state);
    expect([held.relay(), held.relay(), held.isAccepted]).toEqual([accepts, false, true]);
  });
});
