import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ChatError } from '../protocol/chat-error.js';
import type { Receipt } from '../protocol/message.js';
import { PendingReceipt } from './pending-receipt.js';

describe('PendingReceipt', () => {
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
    const [first, second, last] = [listener(), listener(), listener()];
    const pending = new PendingReceipt(identity, first.sender);
    pending.join(second.sender);
    pending.join(last.sender);
    pending.receipted('stored', 7);
    pending.receipted('delivered', 8);
    expect(first.heard).toEqual([['stored', 7, false]]);
    expect(second.heard).toEqual([['stored', 7, true]]);
    expect(last.heard).toEqual([['stored', 7, true]]);
  });

  it('tells all who wait of a refusal', () => {
    const [first, joined] = [listener(), listener()];
    const pending = new PendingReceipt(identity, first.sender);
    pending.join(joined.sender);
    pending.refused(new ChatError('MAILBOX_FULL', 'full'));
    expect([first.heard, joined.heard]).toEqual([[['MAILBOX_FULL', 'm1']], [['MAILBOX_FULL', 'm1']]]);
  });

  it('says of a repeat in the store that it is one, to its only sender, too', () => {
    const { sender, heard } = listener();
    new PendingReceipt(identity, sender).receipted('stored', 7, true);
    expect(heard).toEqual([['stored', 7, true]]);
  });

  it('keeps no sender that was told: a message in memory may outlast the connection of its sender', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const [kept, gone] = [new WeakRef(listener().sender), new WeakRef(listener().sender)];
    const told = new PendingReceipt(identity, gone.deref()!);
    const waiting = new PendingReceipt(identity, kept.deref()!);
    told.receipted('delivered', 7);
    await new Promise((resolve) => setImmediate(resolve)); // A WeakRef holds on until the turn ends.
    collect();
    expect([kept.deref() === undefined, gone.deref() === undefined]).toEqual([false, true]);
    for (const pending of [told, waiting]) expect(pending).toMatchObject({ message: identity }); // They are still here.
  });
});
