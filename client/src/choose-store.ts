import type { ClientOptions } from './api.js';
import { IndexedDbStore } from './indexeddb-store.js';
import { MemoryStore } from './memory-store.js';
import type { Store } from './store.js';

/**
 * The store, and the name that tabs share it by; null when they don't. Tabs that each have a connection do not share
 * one: what one of them has seen would not be handed in the others.
 */
export function chooseStore({ store = 'auto', tabs, user, url }: ClientOptions): { store: Store; name: string | null } {
  if (typeof store === 'object') return { store, name: null };
  const isKept = store === 'auto' && tabs !== 'separate' && user !== undefined && typeof indexedDB === 'object';
  if (!isKept) return { store: new MemoryStore(), name: null };
  const { host, pathname } = typeof url === 'function' ? location : new URL(url, location.href);
  const name = `holdfast:${host}${pathname}:${user}`;
  return { store: new IndexedDbStore(name), name };
}
