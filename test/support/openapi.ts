import type { INestApplication } from '@nestjs/common';
import * as swagger from '@nestjs/swagger';
import { Ajv } from 'ajv';
import { documentOf } from '../../src/api-docs.js';
import { closed } from './closed-schema.js';

type Schema = Readonly<Record<string, unknown>>;
type Operation = Readonly<{
  summary?: string;
  responses: Record<string, { description?: string; content?: Record<string, { schema: Schema }> }>;
}>;

/** The OpenAPI document of an application, made as the server makes it. Answers are checked against it. */
export class ApiDocument {
  private readonly ajv = new Ajv({ strict: false, allErrors: true });
  readonly document: swagger.OpenAPIObject;

  constructor(app: INestApplication) {
    this.document = documentOf(app, swagger);
  }

  /** Every operation, as `get /chat/users/{user}`. */
  get operations(): ReadonlyMap<string, Operation> {
    const all = Object.entries(this.document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => [`${method} ${path}`, operation as Operation] as const),
    );
    return new Map(all);
  }

  /** Counts the examples; throws at one that does not fit its schema. */
  examples(): number {
    let count = 0;
    const visit = (part: unknown): void => {
      if (typeof part !== 'object' || part === null) return;
      if ('example' in part && ('type' in part || 'anyOf' in part || 'nullable' in part)) {
        count += 1;
        const { nullable, ...schema } = part as Schema;
        const fits = (nullable === true && part.example === null) || this.ajv.validate(schema, part.example);
        if (!fits) throw new Error(`${JSON.stringify(part)}: ${this.ajv.errorsText()}`);
      }
      Object.values(part).forEach(visit);
    };
    visit(this.document.paths);
    return count;
  }

  /** Throws unless the document describes this answer of this call, with exactly its fields. */
  check(method: string, path: string, status: number, body: unknown): void {
    const call = `${method.toLowerCase()} ${path.split('?')[0]}`;
    const found = [...this.operations].find(([name]) =>
      new RegExp(`^${name.replace(/\{\w+\}/g, '[^/]+')}$`).test(call),
    );
    if (!found) throw new Error(`${call} is not in the document`);
    const { responses } = found[1];
    const answer = responses[status] ?? responses['default'];
    const schema = answer?.content?.['application/json']?.schema;
    if (!schema) {
      if (answer && body === null) return;
      throw new Error(`${call}: the document has no ${status} with the body ${JSON.stringify(body)}`);
    }
    if (this.ajv.validate(closed(schema), body)) return;
    throw new Error(`${call} ${status}: ${this.ajv.errorsText()} in ${JSON.stringify(body)}`);
  }
}
