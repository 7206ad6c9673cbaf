import { Module } from '@nestjs/common';
import { MODULE_OPTIONS } from '../options/options.module.js';
import { AUTHENTICATION_OPTIONS, resolveAuthenticationOptions } from './authentication.options.js';
import { AuthenticationService } from './authentication.service.js';
import { Tickets } from './tickets.js';

/** Identifies users and administrators, and keeps the tickets that are not used yet. */
@Module({
  providers: [
    { provide: AUTHENTICATION_OPTIONS, inject: [MODULE_OPTIONS], useFactory: resolveAuthenticationOptions },
    AuthenticationService,
    Tickets,
  ],
  exports: [AuthenticationService, Tickets],
})
export class AuthenticationModule {}
