import { BadRequestException, type PipeTransform } from '@nestjs/common';
import { z } from 'zod';
import { parseUserName, USER_NAME_RULE } from '../protocol/user-name.js';

/** A user name in a path, a query or a body: trimmed and in NFC [protocol 1]. */
export const userName = z.string().transform((raw, context) => {
  const name = parseUserName(raw);
  if (name !== null) return name;
  context.addIssue({ code: 'custom', message: USER_NAME_RULE });
  return z.NEVER;
});

/** How many items a page has. */
export const pageLimit = z.coerce.number().int().min(1).max(1000).default(100);

/** Checks a part of a request against its schema, or answers 400 naming the field and what is wanted there. */
export class SchemaPipe<Output> implements PipeTransform<unknown, Output> {
  constructor(private readonly schema: z.ZodType<Output>) {}

  transform(value: unknown): Output {
    const result = this.schema.safeParse(value);
    if (result.success) return result.data;
    const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'the value'}: ${issue.message}`);
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
