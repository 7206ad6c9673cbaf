import { BadRequestException, type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import { z } from 'zod';
import { isMessageId, MESSAGE_ID_RULE } from '../protocol/message.js';
import { CONTENT_RULE, isContent } from '../protocol/send-request.js';
import { explainUserName, parseUserName } from '../protocol/user-name.js';

// The rules are those of `protocol`: here they become schemas, so that a refusal names every field that is not valid.

/** A user name in a path, a query or a body, in its only spelling [protocol 1]. */
export const userName = z.string().transform((raw, context) => {
  const name = parseUserName(raw);
  if (name !== null) return name;
  context.addIssue({ code: 'custom', message: explainUserName(raw) });
  return z.NEVER;
});

/** A message id in a path or a body. */
export const messageId = z.string().refine(isMessageId, MESSAGE_ID_RULE);

/** The content of a message. */
export const content = z.string().refine(isContent, CONTENT_RULE);

/** How many items a page has: decimal digits only, as `Number` would also read `0x10`, `1e2` and a blank. */
export const pageLimit = z
  .preprocess(
    (written) => (typeof written === 'string' && /^\d{1,4}$/.test(written) ? Number(written) : written),
    z.int('has to be a whole number, given once').min(1).max(1000),
  )
  .default(100);

/** Checks a part of a request against its schema; refuses it with 400, naming each field and what is expected there. */
export class SchemaPipe<Output> implements PipeTransform<unknown, Output> {
  constructor(private readonly schema: z.ZodType<Output>) {}

  transform(value: unknown, { type, data }: ArgumentMetadata): Output {
    const result = this.schema.safeParse(value);
    if (result.success) return result.data;
    const whole = data ?? `the ${type}`;
    const problems = result.error.issues.map(({ path, message }) => `${path.join('.') || whole}: ${message}`);
    throw new BadRequestException({ statusCode: 400, code: 'BAD_REQUEST', message: problems.join('; ') });
  }
}

/** Writes the position after which the next page begins as a cursor, which is opaque to clients. */
export function encodeCursor(position: unknown): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** Reads a cursor that one of our pages returned; anything else is refused with 400. */
export function cursorOf<Position>(position: z.ZodType<Position>) {
  return z.string().transform((raw, context) => {
    const result = position.safeParse(parseJson(Buffer.from(raw, 'base64url').toString()));
    if (result.success) return result.data;
    context.addIssue({ code: 'custom', message: 'not a cursor of this list; begin without one' });
    return z.NEVER;
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The schema of the position refuses it.
  }
}
