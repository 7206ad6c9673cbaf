import { Module, type DynamicModule } from '@nestjs/common';
import {
  AUTHENTICATION_OPTIONS,
  resolveAuthenticationOptions,
  type AuthenticationOptions,
} from './authentication.options.js';
import { AuthenticationService } from './authentication.service.js';
import { Tickets } from './tickets.js';

/** Who asks, and the tickets that are not spent yet. */
@Module({})
export class AuthenticationModule {
  static register(given: Partial<AuthenticationOptions>): DynamicModule {
    return {
      module: AuthenticationModule,
      providers: [
        { provide: AUTHENTICATION_OPTIONS, useFactory: () => resolveAuthenticationOptions(given) },
        AuthenticationService,
        Tickets,
      ],
      exports: [AuthenticationService, Tickets],
    };
  }
}
