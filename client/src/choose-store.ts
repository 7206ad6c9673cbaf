import type { ClientOptions } from './api.js';
import { IndexedDbStore } from './indexeddb-store.js';
import { MemoryStore } from './memory-store.js';
import type { Store } from './store.js';

/** The store, and the name that tabs share it by; null when they can't. */
export function chooseStore({ store = 'auto', user, url }: ClientOptions): { store: Store; name: string | null } {
  if (typeof store === 'object') return { store, name: null };
  const isPossible = store === 'auto' && user !== undefined && typeof indexedDB === 'object';
  if (!isPossible) return { store: new MemoryStore(), name: null };
  const { host, pathname } = typeof url === 'function' ? location : new URL(url, location.href);
  const name = `holdfast:${host}${pathname}:${user}`;
  return { store: new IndexedDbStore(name), name };
}
