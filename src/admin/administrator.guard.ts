import {
  Inject,
  Injectable,
  SetMetadata,
  type CanActivate,
  type CustomDecorator,
  type ExecutionContext,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { IncomingMessage } from 'node:http';
import { AuthenticationService, type Caller } from '../authentication/authentication.service.js';
import { refusals } from '../protocol/handshake-refusal.js';

const ALLOW_USERS = 'holdfast:allow-users';
const callers = new WeakMap<object, Caller>();

/** Allows a call to every user with valid credentials, not only to administrators. */
export const AllowUsers = (): CustomDecorator => SetMetadata(ALLOW_USERS, true);

/** Returns Node's request or response, which Fastify wraps. The caller was identified for Node's request. */
export function rawOf<Wrapped extends object>(wrapped: Wrapped): Wrapped {
  return (wrapped as { raw?: Wrapped }).raw ?? wrapped;
}

/** Returns who makes a call that the guard has allowed. */
export function callerOf(request: object): Caller {
  return callers.get(rawOf(request))!;
}

/** Whether the guard has allowed this request. */
export function isKnown(request: object): boolean {
  return callers.has(rawOf(request));
}

/** Allows only administrators to make REST calls, and to see what the standalone server puts behind this guard. */
@Injectable()
export class AdministratorGuard implements CanActivate {
  constructor(
    @Inject(AuthenticationService) private readonly authentication: AuthenticationService,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const allowUsers = this.reflector.getAllAndOverride<boolean>(ALLOW_USERS, [
      context.getHandler(),
      context.getClass(),
    ]);
    await this.check(context.switchToHttp().getRequest(), allowUsers);
    return true;
  }

  /**
   * Throws a HandshakeRefusal unless the caller is an administrator, or a user where users are allowed. A caller who
   * was identified before the body was read is not identified again.
   */
  async check(request: IncomingMessage, allowUsers = false): Promise<void> {
    const raw = rawOf(request);
    const caller = callers.get(raw) ?? (await this.authentication.identify(request));
    if (!caller.isAdmin && !allowUsers) throw refusals.administratorsOnly();
    callers.set(raw, caller);
  }
}
