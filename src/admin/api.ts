import { applyDecorators, Controller, UseFilters, UseGuards, UseInterceptors, VERSION_NEUTRAL } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiParam, ApiQuery, ApiResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { AdministratorGuard } from './administrator.guard.js';
import { AuditInterceptor } from './audit.interceptor.js';
import { ErrorFilter } from './error.filter.js';

const errorDto = z.object({
  statusCode: z.number(),
  code: z.string(),
  message: z.string(),
});

/** A controller of the administration, guarded and audited, below the path of the chat, whatever versions the host application has. */
export function AdminController(path: string, tag: string): ClassDecorator {
  return applyDecorators(
    Controller({ path, version: VERSION_NEUTRAL }),
    UseFilters(ErrorFilter),
    UseGuards(AdministratorGuard),
    UseInterceptors(AuditInterceptor),
    ApiTags(tag),
    ApiBearerAuth(),
    Refuses(401, 403),
    ApiResponse({ status: 'default', description: 'Any other refusal.', schema: openApi(errorDto, 'output') }),
  ) as ClassDecorator;
}

/** Describes a successful answer. */
export function Answers(status: number, description: string, schema?: z.ZodType): MethodDecorator {
  return ApiResponse({ status, description, ...(schema ? { schema: openApi(schema, 'output') } : {}) });
}

/** Describes the refusals of a call, which all have one shape. */
export function Refuses(...statuses: number[]): MethodDecorator {
  const schema = openApi(errorDto, 'output');
  return applyDecorators(...statuses.map((status) => ApiResponse({ status, description: REASONS[status]!, schema })));
}

const REASONS: Record<number, string> = {
  400: 'A part of the request does not fit; the message names it.',
  401: 'No credentials, or none that are good.',
  403: 'These credentials do not allow it.',
  404: 'There is no such thing, or not any more.',
  413: 'The content is longer than allowed.',
  426: 'This is the path of the WebSocket.',
  429: 'Too many messages wait for this user.',
  503: 'The store did not take it; try again later.',
};

/** Describes the query of a call from its schema. */
export function Queries(schema: z.ZodObject): MethodDecorator {
  const parameters = Object.entries(schema.shape).map(([name, field]) =>
    ApiQuery({ name, required: false, schema: openApi(field as z.ZodType, 'input') as object }),
  );
  return applyDecorators(...parameters);
}

/** Describes the parts of the path of a call. */
export function Params(...names: string[]): MethodDecorator {
  return applyDecorators(...names.map((name) => ApiParam({ name, type: String })));
}

/** Describes the body of a call from its schema. */
export function Takes(schema: z.ZodType): MethodDecorator {
  return ApiBody({ schema: openApi(schema, 'input') });
}

function openApi(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _dialect, ...document } = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io,
    unrepresentable: 'any',
  });
  return document;
}
