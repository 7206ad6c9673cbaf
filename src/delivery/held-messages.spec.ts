import { HeldMessage } from './held-message.js';
import { HeldMessages } from './held-messages.js';
import { mailboxKeyOf } from './mailbox-store.js';

const owner = { key: mailboxKeyOf('bob'), onSettled: () => undefined, onRecorded: () => undefined };

function heldAt(position: number): HeldMessage {
  const message = { id: `m${position}`, from: 'alice', to: 'bob', content: 'x', sentAt: 1 };
  return new HeldMessage(owner, message, position, 1, null, 'memory');
}

describe('the messages that a mailbox holds', () => {
  it('stay in order when some get new positions, so that none is passed over', () => {
    const messages = new HeldMessages();
    const [first, stored, ended, last] = [1, 2, 3, 4].map(heldAt) as [
      HeldMessage,
      HeldMessage,
      HeldMessage,
      HeldMessage,
    ];
    for (const held of [first, stored, ended, last]) messages.push(held);
    stored.moveTo('storing');
    stored.moveTo('stored');
    ended.moveTo('ended');
    messages.onNotHeld();
    let position = 10;
    const newPosition = messages.renumber(0, () => (position += 1));
    expect([first.position, last.position]).toEqual([11, 12]);
    expect([1, 4].map(newPosition)).toEqual([11, 12]);
    const other = heldAt(7); // A row of the other server.
    messages.insert(other);
    const inOrder: HeldMessage[] = [];
    for (let held = messages.firstAfter(0); held; held = messages.firstAfter(held.position)) inOrder.push(held);
    expect(inOrder.map(({ id }) => id)).toEqual(['m2', 'm7', 'm1', 'm4']);
  });
});
