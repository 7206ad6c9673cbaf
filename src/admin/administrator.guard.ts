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

const FOR_USERS = 'holdfast:for-users';
const callers = new WeakMap<object, Caller>();

/** Opens a call to every user who proves to be one. */
export const ForUsers = (): CustomDecorator => SetMetadata(FOR_USERS, true);

/** Fastify has a request of its own around the one of Node, which is known before it is made. */
function rawOf(request: object): object {
  return (request as { raw?: object }).raw ?? request;
}

/** Who makes a call that the guard has let in. */
export function callerOf(request: object): Caller {
  return callers.get(rawOf(request))!;
}

/** Whether somebody known makes this request: the guard has let it in. */
export function isKnown(request: object): boolean {
  return callers.has(rawOf(request));
}

/** Lets administrators in, and nobody else: to the REST calls, and to whatever the server puts behind it. */
@Injectable()
export class AdministratorGuard implements CanActivate {
  constructor(
    @Inject(AuthenticationService) private readonly authentication: AuthenticationService,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const forUsers = this.reflector.getAllAndOverride<boolean>(FOR_USERS, [context.getHandler(), context.getClass()]);
    await this.check(context.switchToHttp().getRequest(), forUsers);
    return true;
  }

  /** Throws a HandshakeRefusal for whom it does not let in. Who was asked before the body was read is not asked again. */
  async check(request: IncomingMessage, forUsers = false): Promise<void> {
    const raw = rawOf(request);
    const caller = callers.get(raw) ?? (await this.authentication.identify(request));
    if (!caller.isAdmin && !forUsers) throw refusals.administratorsOnly();
    callers.set(raw, caller);
  }
}
