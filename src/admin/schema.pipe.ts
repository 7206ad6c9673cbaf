import { BadRequestException, type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import type { z } from 'zod';

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
