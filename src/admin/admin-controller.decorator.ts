import { applyDecorators, Controller, UseFilters, UseGuards, UseInterceptors, VERSION_NEUTRAL } from '@nestjs/common';
import { AdministratorGuard } from './administrator.guard.js';
import { AuditInterceptor } from './audit.interceptor.js';
import { ErrorFilter } from './error.filter.js';

/**
 * A controller for administrators, guarded and audited, below the path of the chat. It is the same in all versions of a
 * versioned application.
 */
export function AdminController(path: string): ClassDecorator {
  return applyDecorators(
    Controller({ path, version: VERSION_NEUTRAL }),
    UseFilters(ErrorFilter),
    UseGuards(AdministratorGuard),
    UseInterceptors(AuditInterceptor),
  );
}
