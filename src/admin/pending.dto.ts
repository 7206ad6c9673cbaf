import { z } from 'zod';
import type { StoredMessage } from '../delivery/mailbox-store.js';
import type { PendingOfUser } from '../offline-messages/pending-list.table.js';
import { toIsoTime } from '../protocol/message.js';
import { content, cursorOf, messageId, meta, pageLimit, pageOf, time, topic, urgency, userName } from './fields.js';

/** The total when the first page was read. The cursors carry it, because counting reads the whole table. */
const total = z.int().min(0);

export const mailboxQuery = z
  .object({
    limit: pageLimit,
    cursor: cursorOf(z.object({ user: userName, total })),
    order: z
      .enum(['name', 'most'])
      .default('name')
      .describe('`most`: the fullest mailbox first, on one page without a cursor.'),
  })
  .refine(({ order, cursor }) => order === 'name' || cursor === undefined, {
    path: ['cursor'],
    message: 'a list with the fullest first has one page; give a higher limit instead',
  });

export const messageQuery = z.object({
  limit: pageLimit,
  cursor: cursorOf(z.object({ position: z.int(), total })),
});

const mailboxDto = z.object({
  user: z.string().meta({ example: 'bob' }),
  count: z.number().meta({ description: 'Messages that wait.', example: 3 }),
  bytes: z.number().meta({ description: 'Their content, in bytes of UTF-8.', example: 75 }),
  oldest: time.describe('When the oldest of them was sent.'),
  newest: time.describe('When the newest of them was sent.'),
});

export const mailboxPage = pageOf(mailboxDto, 'Users for whom messages wait, counted with the first page.');

const pendingMessageDto = z.object({
  id: messageId,
  from: z.string().meta({ example: 'shop' }),
  to: z.string().meta({ example: 'bob' }),
  content,
  sentAt: time,
  storedAt: time,
  meta: meta.optional(),
  expiresAt: time.optional().describe('When its `ttl` is over.'),
  topic: topic.optional(),
  urgency: urgency.optional(),
});

export const pendingMessagePage = pageOf(
  pendingMessageDto,
  'Messages that wait for this user, counted with the first page.',
);

export const purgeDto = z.object({ purged: z.number().meta({ description: 'Messages deleted.', example: 1 }) });

export function toMailboxDto({ user, count, bytes, oldest, newest }: PendingOfUser): z.infer<typeof mailboxDto> {
  return { user, count, bytes, oldest: toIsoTime(oldest), newest: toIsoTime(newest) };
}

export function toPendingMessageDto(row: StoredMessage): z.infer<typeof pendingMessageDto> {
  const { id, from, to, content, sentAt, storedAt, extras } = row;
  const plain = { id, from, to, content, sentAt: toIsoTime(sentAt), storedAt: toIsoTime(storedAt) };
  if (extras === undefined) return plain;
  return {
    ...plain,
    meta: extras.meta === undefined ? undefined : (JSON.parse(extras.meta) as Record<string, unknown>),
    expiresAt: extras.expiresAt === undefined ? undefined : toIsoTime(extras.expiresAt),
    topic: extras.topic,
    urgency: extras.urgency,
  };
}
