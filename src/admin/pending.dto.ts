import { z } from 'zod';
import type { StoredMessage } from '../delivery/mailbox-store.js';
import type { PendingOfUser } from '../offline-messages/pending-list.table.js';
import { toIsoTime } from '../protocol/message.js';
import { cursorOf, pageLimit, userName } from './input.js';

/** How many there were in all when the list was begun, which its pages hand on: to count is to read all. */
const total = z.int().min(0);

export const mailboxQuery = z
  .object({
    limit: pageLimit,
    cursor: cursorOf(z.object({ user: userName, total })).optional(),
    order: z
      .enum(['name', 'most'])
      .default('name')
      .describe('`most`: the fullest first, on one page that ends the list.'),
  })
  .refine(({ order, cursor }) => order === 'name' || cursor === undefined, {
    path: ['cursor'],
    message: 'a list with the fullest first has one page; give a higher limit instead',
  });

export const messageQuery = z.object({
  limit: pageLimit,
  cursor: cursorOf(z.object({ position: z.int(), total })).optional(),
});

export const mailboxDto = z.object({
  user: z.string(),
  count: z.number(),
  bytes: z.number().describe('Content, in bytes of UTF-8.'),
  oldest: z.string(),
  newest: z.string(),
});

export const mailboxPage = z.object({
  items: z.array(mailboxDto),
  total: z.number().describe('Users for whom something waits, counted with the first page.'),
  nextCursor: z.string().nullable(),
});

export const pendingMessageDto = z.object({
  id: z.string(),
  from: z.string(),
  to: z.string(),
  content: z.string(),
  sentAt: z.string(),
  storedAt: z.string(),
});

export const pendingMessagePage = z.object({
  items: z.array(pendingMessageDto),
  total: z.number().describe('Messages that wait for this user, counted with the first page.'),
  nextCursor: z.string().nullable(),
});

export const purgeDto = z.object({ purged: z.number() });

export function toMailboxDto({ user, count, bytes, oldest, newest }: PendingOfUser): z.infer<typeof mailboxDto> {
  return { user, count, bytes, oldest: toIsoTime(oldest), newest: toIsoTime(newest) };
}

export function toPendingMessageDto(row: StoredMessage): z.infer<typeof pendingMessageDto> {
  const { id, from, to, content, sentAt, storedAt } = row;
  return { id, from, to, content, sentAt: toIsoTime(sentAt), storedAt: toIsoTime(storedAt) };
}
