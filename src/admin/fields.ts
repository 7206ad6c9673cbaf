import { z } from 'zod';
import { isMessageId, MESSAGE_ID_RULE } from '../protocol/message.js';
import { isTopic, isTtl, META_RULE, metaTextOf, TOPIC_RULE, TTL_RULE, URGENCIES } from '../protocol/message-extras.js';
import { isPseudonym } from '../protocol/pseudonym.js';
import { CONTENT_RULE, isContent } from '../protocol/send-request.js';
import { explainUserName, parseUserName } from '../protocol/user-name.js';

// The rules are in `protocol`. The schemas here let a refusal name every field that is not valid.

/** A user name in a path, a query or a body, in its only spelling [protocol 1]. */
export const userName = z.string().transform(toName).meta({ example: 'bob' });

/** The other side of a conversation, who may have been erased. */
export const peerName = z
  .string()
  .transform((raw, context) => (isPseudonym(raw) ? raw : toName(raw, context)))
  .meta({ example: 'shop' });

/** A message id in a path or a body. */
export const messageId = z.string().refine(isMessageId, MESSAGE_ID_RULE).meta({ example: 'order-4711' });

/** The content of a message. */
export const content = z.string().refine(isContent, CONTENT_RULE).meta({ example: 'Your order is on its way.' });

/** What an application adds to the content of a message. */
export const meta = z
  .record(z.string(), z.unknown())
  .refine((written) => metaTextOf(written) !== null, META_RULE)
  .meta({ description: 'What the application adds to the content.', example: { type: 'order.shipped', order: 7 } });

/** How long a message is worth something. */
export const ttl = z.number().refine(isTtl, TTL_RULE).meta({
  description: 'Seconds after which it is not delivered; 0: only to a connection there is now.',
  example: 600,
});

/** The topic of a message. */
export const topic = z
  .string()
  .refine(isTopic, TOPIC_RULE)
  .meta({ description: 'It replaces what waits with the same sender, recipient and topic.', example: 'order-7' });

/** The urgency of a message. */
export const urgency = z
  .enum(URGENCIES)
  .meta({ description: 'Left out, it is `normal`. It never changes the order.', example: 'high' });

/** A time in a reply. */
export const time = z.string().meta({ example: '2026-11-23T09:30:00.000Z' });

/** The id of a connection. */
export const connectionId = z.string().meta({ example: '01a20702-e79a-727f-8aa3-0a0dd1682130' });

/** How many items a page has: decimal digits only, as `Number` would also read `0x10`, `1e2` and a blank. */
export const pageLimit = z
  .preprocess(
    (written) => (typeof written === 'string' && /^\d{1,4}$/.test(written) ? Number(written) : written),
    z.int('has to be a whole number, given once').min(1).max(1000),
  )
  .default(100)
  .describe('Items on a page; 100 if left out.');

/** One page of a list. */
export function pageOf<Item extends z.ZodType>(item: Item, total: string) {
  return z.object({
    items: z.array(item),
    total: z.number().meta({ description: total, example: 1 }),
    nextCursor: z.string().nullable().meta({ description: 'For the next page; null on the last one.', example: null }),
  });
}

/** Writes the position after which the next page begins as a cursor, which is opaque to clients. */
export function encodeCursor(position: unknown): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** Reads a cursor that one of our pages returned, if one is given; anything else is refused with 400. */
export function cursorOf<Position>(position: z.ZodType<Position>) {
  const cursor = z.string().transform((raw, context) => {
    const result = position.safeParse(parseJson(Buffer.from(raw, 'base64url').toString()));
    if (result.success) return result.data;
    context.addIssue({ code: 'custom', message: 'not a cursor of this list; begin without one' });
    return z.NEVER;
  });
  return cursor.optional().describe('`nextCursor` of the page before; left out for the first page.');
}

function toName(raw: string, context: z.RefinementCtx): string {
  const name = parseUserName(raw);
  if (name !== null) return name;
  context.addIssue({ code: 'custom', message: explainUserName(raw) });
  return z.NEVER;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The schema of the position refuses it.
  }
}
