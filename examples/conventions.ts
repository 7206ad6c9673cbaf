import {
  Controller,
  ForbiddenException,
  Get,
  Injectable,
  Module,
  Param,
  VersioningType,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
  type PipeTransform,
} from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR, APP_PIPE, NestFactory } from '@nestjs/core';
import { ChatModule, ChatWsAdapter } from 'holdfast';
import type { IncomingMessage } from 'node:http';
import { tap, type Observable } from 'rxjs';
import { database } from './store.js';

/** A guard of the application. It guards the REST calls of the chat too, but never its socket. */
@Injectable()
class NotOnSundays implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<IncomingMessage>();
    if (headers['x-day'] === 'sunday') throw new ForbiddenException('closed on Sundays');
    return true;
  }
}

/** An interceptor of the application. It sees the REST calls of the chat too. */
@Injectable()
export class CallCounter implements NestInterceptor {
  calls = 0;

  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(tap(() => (this.calls += 1)));
  }
}

/** A pipe of the application for the arguments of every handler. */
@Injectable()
class Trim implements PipeTransform {
  transform(value: unknown): unknown {
    return typeof value === 'string' ? value.trim() : value;
  }
}

@Controller({ path: 'hello', version: '1' })
class HelloController {
  @Get(':name')
  hello(@Param('name') name: string): { hello: string } {
    return { hello: name };
  }
}

@Module({
  imports: [ChatModule.forRoot({ database, path: '/talk' })],
  controllers: [HelloController],
  providers: [
    CallCounter,
    { provide: APP_GUARD, useClass: NotOnSundays },
    { provide: APP_INTERCEPTOR, useExisting: CallCounter },
    { provide: APP_PIPE, useClass: Trim },
  ],
})
class AppModule {}

/**
 * In an application with a prefix, versions and global enhancers of its own. The REST calls of the chat move with the
 * prefix, to `/api/talk/…`, and have no version; the socket stays at `/talk`.
 */
export async function createApp(): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.setGlobalPrefix('api');
  app.enableVersioning({ type: VersioningType.URI });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  return app;
}
