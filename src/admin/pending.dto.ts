import { z } from 'zod';
import type { PendingOfUser, StoredMessage } from '../offline-messages/offline-message.table.js';
import { toIsoTime } from '../protocol/message.js';
import { cursorOf, pageLimit, userName } from './input.js';

export const mailboxQuery = z.object({
  limit: pageLimit,
  cursor: cursorOf(z.object({ count: z.int(), user: userName })).optional(),
});

export const messageQuery = z.object({ limit: pageLimit, cursor: cursorOf(z.int()).optional() });

export const mailboxDto = z.object({
  user: z.string(),
  count: z.number(),
  bytes: z.number().describe('Content, in bytes of UTF-8.'),
  oldest: z.string(),
  newest: z.string(),
});

export const mailboxPage = z.object({
  items: z.array(mailboxDto),
  total: z.number().describe('Users for whom something waits.'),
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
  total: z.number(),
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
