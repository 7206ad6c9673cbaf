import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * Runs what is done for many at once, or goes on for long, outside of whatever request happens to set it off: in that
 * one's async context it would see its tenant, be logged and traced as a part of it, and keep it in memory. The context
 * is the one in which this module was loaded, before there is any request.
 *
 * No code of the application may run before `work` returns: on Node 20 and 22, what that enters would stay for all.
 */
export const inNoContext: <Result>(work: () => Result) => Result = AsyncLocalStorage.snapshot();
