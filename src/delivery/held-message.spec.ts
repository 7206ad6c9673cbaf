import { itMakesOnly } from '../../test/support/moves.js';
import { HELD_MOVES, HeldMessage, type HeldState } from './held-message.js';
import { mailboxKeyOf } from './mailbox-store.js';

function heldIn(state: HeldState): HeldMessage {
  const owner = { key: mailboxKeyOf('bob'), onSettled: () => undefined, onRecorded: () => undefined };
  const message = { id: 'm1', from: 'alice', to: 'bob', content: 'x', sentAt: 1 };
  return new HeldMessage(owner, message, 1, 1, null, state);
}

describe('a held message', () => {
  itMakesOnly(HELD_MOVES, heldIn);

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
