import { applyDecorators, Controller, UseFilters, UseGuards, UseInterceptors, VERSION_NEUTRAL } from '@nestjs/common';
import type * as Swagger from '@nestjs/swagger';
import { z } from 'zod';
import { AdministratorGuard } from './administrator.guard.js';
import { AuditInterceptor } from './audit.interceptor.js';
import { ErrorFilter } from './error.filter.js';

const errorDto = z.object({
  statusCode: z.number(),
  code: z.string(),
  message: z.string(),
  scope: z.enum(['mailbox', 'sender']).optional().describe('Of SENDER_QUOTA: what of the sender has no more room.'),
});

/**
 * The decorators of `@nestjs/swagger` that describe the REST calls. Not the type of the whole package: an application of
 * CommonJS sees another one than we do.
 */
export type SwaggerDecorators = Pick<
  typeof Swagger,
  'ApiBearerAuth' | 'ApiBody' | 'ApiParam' | 'ApiQuery' | 'ApiResponse' | 'ApiTags'
>;

type Describe = (swagger: SwaggerDecorators) => ClassDecorator | MethodDecorator;

const descriptions: ((swagger: SwaggerDecorators) => void)[] = [];

/** A decorator of `@nestjs/swagger`, put on when it is known that there is one: an application without it has nothing to install. */
function described(describe: Describe): ClassDecorator & MethodDecorator {
  return (...target: unknown[]) => {
    descriptions.push((swagger) => (describe(swagger) as (...on: unknown[]) => void)(...target));
  };
}

/** Describes the REST calls for `SwaggerModule.createDocument` of an application that has `@nestjs/swagger`, which it gives. */
export function describeApi(swagger: SwaggerDecorators): void {
  for (const describe of descriptions.splice(0)) describe(swagger);
}

/** A controller of the administration, guarded and audited, below the path of the chat, whatever versions the host application has. */
export function AdminController(path: string, tag: string): ClassDecorator {
  return applyDecorators(
    Controller({ path, version: VERSION_NEUTRAL }),
    UseFilters(ErrorFilter),
    UseGuards(AdministratorGuard),
    UseInterceptors(AuditInterceptor),
    Tagged(tag),
    described(({ ApiBearerAuth }) => ApiBearerAuth()),
    Refuses(401, 403),
    described(({ ApiResponse }) =>
      ApiResponse({ status: 'default', description: 'Any other refusal.', schema: openApi(errorDto, 'output') }),
    ),
  ) as ClassDecorator;
}

/** Puts the calls of a controller under a heading of the description. */
export function Tagged(tag: string): ClassDecorator {
  return described(({ ApiTags }) => ApiTags(tag));
}

/** Describes a successful answer. */
export function Answers(status: number, description: string, schema?: z.ZodType): MethodDecorator {
  return described(({ ApiResponse }) =>
    ApiResponse({ status, description, ...(schema ? { schema: openApi(schema, 'output') } : {}) }),
  );
}

/** Describes the refusals of a call, which all have one shape. */
export function Refuses(...statuses: number[]): MethodDecorator {
  const schema = openApi(errorDto, 'output');
  return applyDecorators(
    ...statuses.map((status) =>
      described(({ ApiResponse }) => ApiResponse({ status, description: REASONS[status]!, schema })),
    ),
  );
}

const REASONS: Record<number, string> = {
  400: 'A part of the request does not fit; the message names it.',
  401: 'No credentials, or none that are good.',
  403: 'These credentials do not allow it.',
  404: 'There is no such thing, or not any more.',
  413: 'The content is longer than allowed.',
  426: 'This is the path of the WebSocket.',
  429: 'Too much waits: messages for this user or of this sender, or tickets that nobody has used.',
  503: 'The store does not take it, is full, or can not be read; try again later.',
};

/** Describes the query of a call from its schema. */
export function Queries(schema: z.ZodObject): MethodDecorator {
  const parameters = Object.entries(schema.shape).map(([name, field]) =>
    described(({ ApiQuery }) =>
      ApiQuery({ name, required: false, schema: openApi(field as z.ZodType, 'input') as object }),
    ),
  );
  return applyDecorators(...parameters);
}

/** Describes the parts of the path of a call. */
export function Params(...names: string[]): MethodDecorator {
  return applyDecorators(...names.map((name) => described(({ ApiParam }) => ApiParam({ name, type: String }))));
}

/** Describes the body of a call from its schema. */
export function Takes(schema: z.ZodType): MethodDecorator {
  return described(({ ApiBody }) => ApiBody({ schema: openApi(schema, 'input') }));
}

function openApi(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _dialect, ...document } = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io,
    unrepresentable: 'any',
  });
  return document;
}
