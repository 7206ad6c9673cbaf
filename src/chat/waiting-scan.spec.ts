import type { MailboxKey } from '../delivery/mailbox-store.js';
import { WaitingScan } from './waiting-scan.js';

const key = (name: string) => name as MailboxKey;

it('of a node goes through the mailboxes of its new slots alone, and then through the notices', async () => {
  const bySlot: Record<number, string[]> = { 3: ['ann', 'bob'], 4: [], 5: ['cleo'] };
  const removed: MailboxKey[] = [];
  const after = (names: string[], last: MailboxKey) => Promise.resolve(names.filter((name) => name > last).map(key));
  const notices = {
    mailboxesAfter: () => Promise.reject(new Error('it reads all mailboxes')),
    mailboxesOfSlot: (slot: number, last: MailboxKey) => after(bySlot[slot]!, last),
    toldAfter: (last: MailboxKey) => after(['zoe'], last),
    removeOfEmpty: (mailboxes: readonly MailboxKey[]) => Promise.resolve(void removed.push(...mailboxes)),
  };
  const scan = new WaitingScan(notices, 0, [3, 4, 5]);
  const found: string[] = [];
  for (let reads = 0; !scan.isDone; reads += 1) {
    expect(reads).toBeLessThan(10);
    found.push(...(await scan.next()));
  }
  expect(found).toEqual(['ann', 'bob', 'cleo']);
  expect(removed).toEqual(['zoe']);
});
