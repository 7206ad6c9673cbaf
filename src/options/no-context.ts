import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * Runs work that serves many at once, or goes on for long, outside of the async context of the request that happens to
 * start it. In that context it would see the request's tenant, be logged and traced as a part of the request, and keep
 * it in memory. The work runs in the context in which this module was loaded, before any request.
 *
 * No code of the application may run before `work` returns: on Node 20 and 22, a context that it enters would stay for
 * all later work.
 */
export const inNoContext: <Result>(work: () => Result) => Result = AsyncLocalStorage.snapshot();
