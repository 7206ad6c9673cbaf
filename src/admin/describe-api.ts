import type * as Swagger from '@nestjs/swagger';
import { z } from 'zod';

/**
 * The decorators of `@nestjs/swagger` that describe the REST calls. It is not the type of the whole package, since a
 * CommonJS application sees another type of it than we do.
 */
export type SwaggerDecorators = Pick<
  typeof Swagger,
  | 'ApiBearerAuth'
  | 'ApiBody'
  | 'ApiExcludeController'
  | 'ApiOperation'
  | 'ApiParam'
  | 'ApiProduces'
  | 'ApiQuery'
  | 'ApiResponse'
  | 'ApiTags'
>;

/** What the OpenAPI document says about one call. The method and path come from the controller. */
export interface Call {
  readonly summary: string;
  /** Schemas of the parts of the path, by their names. */
  readonly params?: Readonly<Record<string, z.ZodType>>;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** The media type of the replies. @default JSON */
  readonly produces?: string;
  /** What each status means, and the schema of its body unless it has none. */
  readonly replies: Readonly<Record<number, readonly [meaning: string, schema?: z.ZodType]>>;
  /** The statuses of its refusals, except 401 and 403, which every call has. */
  readonly refusals?: readonly (keyof typeof REFUSALS)[];
}

/** The calls of one controller, by the names of its methods. */
export interface ControllerCalls {
  readonly controller: new (...args: never[]) => object;
  readonly tag: string;
  /** Anybody may make them, without credentials. */
  readonly isOpen?: boolean;
  readonly calls: Readonly<Record<string, Call>>;
}

const refusalDto = z.object({
  statusCode: z.number(),
  code: z.string(),
  message: z.string().describe('What happened, and what to do.'),
  scope: z
    .enum(['mailbox', 'sender', 'conversations'])
    .optional()
    .describe('Only of SENDER_QUOTA: what of the sender has reached its limit.'),
});

/** What each status means, and a code that comes with it. */
const REFUSALS = {
  400: ['The request is not valid; the message names the field.', 'BAD_REQUEST'],
  401: ['There are no credentials, or they are not valid.', 'UNAUTHORIZED'],
  403: ['The credentials are valid, but do not allow this call.', 'FORBIDDEN'],
  404: ['It does not exist, or not any more; or nothing is recorded.', 'NO_SUCH_CONNECTION'],
  413: ['The content is longer than allowed.', 'CONTENT_TOO_LARGE'],
  429: ['Too many messages of this sender or for this user wait, or too many tickets are unused.', 'MAILBOX_FULL'],
  503: ['The store is full, or cannot be written or read; try again later.', 'STORE_UNAVAILABLE'],
} as const;

const described = new WeakSet<ControllerCalls>();

/** Puts the decorators of `@nestjs/swagger` on the controllers of a table. Calling it again has no effect. */
export function describeCalls(swagger: SwaggerDecorators, controllers: readonly ControllerCalls[]): void {
  for (const each of controllers) {
    if (described.has(each)) continue;
    described.add(each);
    const { controller, tag, isOpen = false, calls } = each;
    swagger.ApiTags(tag)(controller);
    if (!isOpen) {
      swagger.ApiBearerAuth()(controller);
      for (const status of [401, 403] as const) refusal(swagger, status)(controller);
      const schema = openApi(refusalDto, 'output');
      swagger.ApiResponse({ status: 'default', description: 'Any other refusal.', schema })(controller);
    }
    for (const [name, call] of Object.entries(calls)) describeCall(swagger, controller.prototype as object, name, call);
  }
}

function describeCall(swagger: SwaggerDecorators, prototype: object, name: string, call: Call): void {
  const { summary, params = {}, query, body, produces, replies, refusals = [] } = call;
  const decorators: MethodDecorator[] = [swagger.ApiOperation({ summary })];
  for (const [part, schema] of Object.entries(params)) {
    decorators.push(swagger.ApiParam({ name: part, schema: openApi(schema, 'input') }));
  }
  for (const [field, schema] of Object.entries(query?.shape ?? {})) {
    const required = false;
    decorators.push(swagger.ApiQuery({ name: field, required, schema: openApi(schema as z.ZodType, 'input') }));
  }
  if (body)
    decorators.push(swagger.ApiBody({ required: !body.safeParse(undefined).success, schema: openApi(body, 'input') }));
  if (produces) decorators.push(swagger.ApiProduces(produces));
  for (const [status, [description, schema]] of Object.entries(replies)) {
    const content = schema && { schema: openApi(schema, 'output') };
    decorators.push(swagger.ApiResponse({ status: Number(status), description, ...content }));
  }
  decorators.push(...refusals.map((status) => refusal(swagger, status)));
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name)!;
  for (const decorate of decorators) decorate(prototype, name, descriptor);
}

function refusal(swagger: SwaggerDecorators, status: keyof typeof REFUSALS): ClassDecorator & MethodDecorator {
  const [description, code] = REFUSALS[status];
  const example = { statusCode: status, code, message: 'what happened; what to do' };
  return swagger.ApiResponse({ status, description, schema: { ...openApi(refusalDto, 'output'), example } });
}

function openApi(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _dialect, ...document } = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io,
    unrepresentable: 'any',
  });
  return document;
}
