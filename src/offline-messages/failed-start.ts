import type { ModulesContainer } from '@nestjs/core';

/** The interval at which new providers of the application are looked for, in milliseconds. */
const LOOK_MS = 50;

/** Of each application that is starting, the functions that end its watches. */
const watches = new WeakMap<ModulesContainer, Set<() => boolean>>();

/**
 * Calls back when some part of the application cannot be made, until `startSucceeded` or the returned function is
 * called. Nest calls no hook then: what is open by that time would stay open, and the store locked, for as long as the
 * process lives.
 */
export function whenStartFails(modules: ModulesContainer, callback: () => void): () => void {
  const seen = new WeakSet<object>();
  const look = () => {
    for (const { providers, injectables, controllers } of modules.values()) {
      for (const wrapper of [...providers.values(), ...injectables.values(), ...controllers.values()]) {
        const made = wrapper.settlementSignal;
        if (!made || seen.has(made)) continue;
        seen.add(made);
        void made.asPromise().then((error: unknown) => {
          if (error && end()) callback();
        });
      }
    }
  };
  const timer = setInterval(look, LOOK_MS).unref();
  const ofApplication = watches.get(modules) ?? new Set();
  /** Returns true when the watch had not ended yet. */
  const end = () => {
    clearInterval(timer);
    return ofApplication.delete(end);
  };
  watches.set(modules, ofApplication.add(end));
  look();
  return end;
}

/** True when some part of the application could not be made already. */
export async function hasStartFailed(modules: ModulesContainer): Promise<boolean> {
  let hasFailed = false;
  const end = whenStartFails(modules, () => (hasFailed = true));
  await Promise.resolve(); // What failed before is called back by now.
  end();
  return hasFailed;
}

/** The whole application was made. From now on Nest calls its shutdown hooks. */
export function startSucceeded(modules: ModulesContainer): void {
  for (const end of watches.get(modules) ?? []) end();
}
