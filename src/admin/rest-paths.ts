import { Inject, Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';

/** The injection token of the path below which the REST calls are. */
export const REST_PATH = Symbol.for('holdfast:rest-path');

/** What precedes the path in an absolute target [RFC 9112 3.2.2]. */
const AUTHORITY = /^https?:\/\/[^/?#]*/i;

/** Knows which requests are the chat's before they are routed. */
@Injectable()
export class RestPaths {
  constructor(
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
    @Inject(REST_PATH) private readonly path: string,
  ) {}

  /** Whether a request target is one of these calls, such as `/tickets`; the path of the socket itself is empty. */
  isOneOf(calls: readonly string[], url: string): boolean {
    const path = url.replace(AUTHORITY, '').split('?', 1)[0]!.replace(/\/$/, '');
    return this.roots().some((root) => calls.some((call) => path === root + call));
  }

  /** Whether a route is below the path of the chat. */
  isBelow(url: string): boolean {
    return this.roots().some((root) => url.startsWith(`${root}/`));
  }

  /** Returns the paths below which the calls may be. A global prefix moves them, unless it excludes them. */
  private roots(): string[] {
    // Nest has no public getter for the prefix, which is known when the application listens.
    const { container } = this.moduleRef as unknown as {
      container?: { applicationConfig?: { getGlobalPrefix(): string } };
    };
    const prefix = container?.applicationConfig?.getGlobalPrefix() ?? '';
    return [this.path, `${prefix}/${this.path}`].map((path) => `/${path.split('/').filter(Boolean).join('/')}`);
  }
}
