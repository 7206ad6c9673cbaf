import { CHAT_EVENT, type ChatEvents } from './chat-events.js';

/** A method that was decorated with OnChatEvent. */
export interface ListeningMethod {
  /** Its class and its name, for the log. */
  readonly title: string;
  readonly events: readonly (keyof ChatEvents)[];
  readonly call: (event: unknown) => unknown;
}

/**
 * Returns the listening methods of an instance. It looks only at the prototypes, and neither reads nor calls anything
 * of the instance: that may be a Proxy, or have getters that throw or properties that hide its methods. Throws what the
 * traps of a Proxy throw.
 */
export function listeningMethods(instance: object): ListeningMethod[] {
  const found: ListeningMethod[] = [];
  const hidden = new Set<string | symbol>();
  const className = nameOf(Object.getPrototypeOf(instance) as object | null);
  for (const prototype of prototypesOf(instance)) {
    for (const key of Reflect.ownKeys(prototype)) {
      if (hidden.has(key)) continue; // Overridden by a subclass.
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

/**
 * Returns a function that calls the method as the application would. A property of the instance may wrap the method, or
 * bind it to something else.
 */
function caller(instance: object, key: string | symbol, method: object) {
  return (event: unknown): unknown => {
    const own = (instance as Record<string | symbol, unknown>)[key];
    return Reflect.apply((typeof own === 'function' ? own : method) as () => unknown, instance, [event]) as unknown;
  };
}

/** Returns the class name of a prototype. It reads no getter, which may throw. */
function nameOf(prototype: object | null): string {
  const type: unknown = prototype && Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
  const name: unknown = typeof type === 'function' && Object.getOwnPropertyDescriptor(type, 'name')?.value;
  return typeof name === 'string' && name !== '' ? name : 'a class without a name';
}
