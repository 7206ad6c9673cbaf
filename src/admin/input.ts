import { BadRequestException, type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import { z } from 'zod';
import { isMessageId } from '../protocol/message.js';
import { explainUserName, parseUserName } from '../protocol/user-name.js';

/** A user name in a path, a query or a body: trimmed and in NFC [protocol 1]. */
export const userName = z.string().transform((raw, context) => {
  const name = parseUserName(raw);
  if (name !== null) return name;
  context.addIssue({ code: 'custom', message: explainUserName(raw) });
  return z.NEVER;
});

/** A message id in a path or a body. */
export const messageId = z.string().refine(isMessageId, 'has to be 1 to 64 of A-Z a-z 0-9 _ -');

/** How many items a page has: decimal digits, as `Number` would also read `0x10`, `1e2` and a blank. */
export const pageLimit = z
  .preprocess(
    (written) => (typeof written === 'string' && /^\d{1,4}$/.test(written) ? Number(written) : written),
    z.int('has to be a whole number, given once').min(1).max(1000),
  )
  .default(100);

/** Checks a part of a request against its schema, or answers 400 naming the field and what is wanted there. */
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

/** A cursor is opaque to clients: the place after which the next page begins. */
export function encodeCursor(place: unknown): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** A cursor that one of our pages answered, or 400. */
export function cursorOf<Place>(place: z.ZodType<Place>) {
  return z.string().transform((raw, context) => {
    const result = place.safeParse(parseJson(Buffer.from(raw, 'base64url').toString()));
    if (result.success) return result.data;
    context.addIssue({ code: 'custom', message: 'not a cursor of this list; begin without one' });
    return z.NEVER;
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The schema of the place refuses it.
  }
}
