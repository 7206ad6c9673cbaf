import { z } from 'zod';
import {
  MAX_RECORD_PAGE,
  POSITION_RULE,
  RECORD_LIMIT_RULE,
  RECORD_PAGE,
  cursorOf,
} from '../protocol/record-request.js';
import { POSITION, positionOf } from '../protocol/position.js';
import { content, messageId, meta, time } from './fields.js';

const POSITION_EXAMPLE = '01m0a5ntsg0';
export const positionText = z.string().regex(POSITION).meta({ example: POSITION_EXAMPLE });

const place = z
  .string()
  .transform((raw, context) => {
    const position = positionOf(raw);
    if (position !== null) return position;
    context.addIssue({ code: 'custom', message: POSITION_RULE });
    return z.NEVER;
  })
  .optional();

const limit = z
  .preprocess(
    (written) => (typeof written === 'string' && /^\d{1,3}$/.test(written) ? Number(written) : written),
    z.int(RECORD_LIMIT_RULE).min(1, RECORD_LIMIT_RULE).max(MAX_RECORD_PAGE, RECORD_LIMIT_RULE),
  )
  .default(RECORD_PAGE)
  .describe(`Items on a page; ${RECORD_PAGE} if left out.`);

export const historyQuery = z
  .object({
    limit,
    before: place.describe('`before` of the page behind this one.'),
    after: place.describe('`after` of the page before this one.'),
  })
  .refine(({ before, after }) => before === undefined || after === undefined, {
    path: ['after'],
    message: 'is given beside "before"; give one of them',
  });

export const syncQuery = z.object({
  limit,
  after: z
    .string()
    .transform(cursorOf)
    .optional()
    .describe('The cursor of the call before; left out for the cursor of now.'),
});

export const conversationQuery = z.object({ limit, before: place.describe('`before` of the page before this one.') });

const recordedDto = z.object({
  position: positionText.describe('Its place in the conversation; sorts as text.'),
  id: messageId,
  from: z.string().meta({ example: 'shop' }),
  to: z.string().meta({ example: 'bob' }),
  content: content.describe('Empty when it was erased.'),
  meta: meta.optional(),
  sentAt: time,
  erased: z.literal(true).optional(),
});

export const historyPage = z.object({
  items: z.array(recordedDto).describe('Oldest first.'),
  before: positionText.nullable().describe('Asks for the older page; null when there is none.'),
  after: positionText.nullable().describe('Asks for the newer page; null when there is none.'),
});

export const syncPage = z.object({
  items: z.array(recordedDto).describe('In the order in which they were recorded.'),
  after: z.string().meta({ description: 'The cursor of the next call, to be kept.', example: 's3' }),
  more: z.boolean().describe('Whether more is there already.'),
  complete: z.boolean().describe('False when something since the cursor is not kept any more, or there was none.'),
});

const mark = positionText.nullable();

export const conversationPage = z.object({
  items: z.array(
    z.object({
      with: z.string().meta({ example: 'shop' }),
      newest: positionText,
      last: recordedDto.nullable().describe('Null when it is not kept any more.'),
      unread: z.number().meta({ description: '1,000 stands for that and more.', example: 2 }),
      delivered: mark,
      read: mark,
      peerDelivered: mark,
      peerRead: mark,
    }),
  ),
  before: positionText.nullable().describe('Asks for the next page; null when there is none.'),
});
