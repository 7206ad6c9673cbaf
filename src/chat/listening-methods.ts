import { CHAT_EVENT, type ChatEvents } from './chat-events.js';

/** A method that was decorated with OnChatEvent. */
export interface ListeningMethod {
  /** Its class and its name, for the log. */
  readonly title: string;
  readonly events: readonly (keyof ChatEvents)[];
  readonly call: (event: unknown) => unknown;
}

/**
 * Finds those of an instance on its prototypes, and neither reads nor calls anything of the instance itself: it may be a
 * Proxy, or have properties that hide its methods and getters that throw. Throws what the traps of a Proxy throw.
 */
export function listeningMethods(instance: object): ListeningMethod[] {
  const found: ListeningMethod[] = [];
  const hidden = new Set<string | symbol>();
  const className = nameOf(Object.getPrototypeOf(instance) as object | null);
  for (const prototype of prototypesOf(instance)) {
    for (const key of Reflect.ownKeys(prototype)) {
      if (hidden.has(key)) continue; // By the same of a class that extends this one.
      hidden.add(key);
      const method: unknown = Object.getOwnPropertyDescriptor(prototype, key)?.value;
      if (typeof method !== 'function') continue;
      const events = Reflect.getMetadata(CHAT_EVENT, method) as (keyof ChatEvents)[] | undefined;
      if (events) found.push({ title: `${className}.${String(key)}`, events, call: caller(instance, key, method) });
    }
  }
  return found;
}

function* prototypesOf(instance: object): Generator<object> {
  let prototype = Object.getPrototypeOf(instance) as object | null;
  while (prototype !== null && prototype !== Object.prototype) {
    yield prototype;
    prototype = Object.getPrototypeOf(prototype) as object | null;
  }
}

/** Calls it as the application would: a property of the instance may wrap it, or bind it to something else. */
function caller(instance: object, key: string | symbol, method: object) {
  return (event: unknown): unknown => {
    const own = (instance as Record<string | symbol, unknown>)[key];
    return Reflect.apply((typeof own === 'function' ? own : method) as () => unknown, instance, [event]) as unknown;
  };
}

/** The name of the class of a prototype; not of a getter, which may throw. */
function nameOf(prototype: object | null): string {
  const type: unknown = prototype && Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
  const name: unknown = typeof type === 'function' && Object.getOwnPropertyDescriptor(type, 'name')?.value;
  return typeof name === 'string' && name !== '' ? name : 'a class without a name';
}
