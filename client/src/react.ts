'use client';

import {
  createContext,
  createElement,
  useCallback,
  useContext,
  useEffect,
  useInsertionEffect,
  useRef,
  useState,
  useSyncExternalStore,
  type ReactElement,
  type ReactNode,
} from 'react';
import type { ClientEvents, HoldfastClient, PendingMessage, StateChange } from './api.js';
import { watchTyping, type Typing } from './typing.js';

const Context = createContext<HoldfastClient | null>(null);

/** What a server renders, and so does the browser until it has taken over: neither is online then. */
const IDLE: StateChange = { state: 'idle', why: '', code: null, retryAt: null };
const NOTHING: readonly PendingMessage[] = [];

/** What a provider takes. */
export interface HoldfastProviderProps {
  readonly client: HoldfastClient;
  readonly children?: ReactNode;
}

/**
 * Gives a client to the hooks below it. It connects when it is mounted and leaves a moment after it is unmounted: other
 * tabs go on. StrictMode, which mounts everything twice, makes one connection; so do several providers of one client. On a server
 * it does nothing.
 */
export function HoldfastProvider({ client, children }: HoldfastProviderProps): ReactElement {
  useEffect(() => hold(client), [client]);
  return createElement(Context.Provider, { value: client }, children);
}

/** Returns the client of the provider above; throws an Error when there is none. */
export function useHoldfast(): HoldfastClient {
  const client = useContext(Context);
  if (!client) throw new Error('put a <HoldfastProvider client={…}> above this component');
  return client;
}

/** Returns the state of the connection, and renders again when it changes. On a server it is `idle`. */
export function useConnection(): StateChange {
  const client = useHoldfast();
  const subscribe = useCallback((changed: () => void) => client.on('state', changed), [client]);
  return useSyncExternalStore(
    subscribe,
    () => client.state,
    () => IDLE,
  );
}

/**
 * Calls the handler on each event while the component is mounted. It is the handler of the last render, so it may be
 * another one each time. What a handler of `message` returns is waited for, as with `on`. A message that comes while no
 * component handles them waits for one.
 */
export function useHoldfastEvent<E extends keyof ClientEvents>(
  event: E,
  handler: (data: ClientEvents[E]) => unknown,
): void {
  const client = useHoldfast();
  const latest = useRef(handler);
  // Before any effect runs, so that none of them causes an event that the last render's handler gets.
  useInsertionEffect(() => {
    latest.current = handler;
  });
  useEffect(() => client.on(event, (data) => latest.current(data)), [client, event]);
}

/**
 * Returns what has no receipt yet, of all tabs, in order, and renders again when that changes. On a server it is empty.
 */
export function usePending(): readonly PendingMessage[] {
  const client = useHoldfast();
  const subscribe = useCallback(
    (changed: () => void) => {
      // With a change of state it may have read what an earlier page has left.
      const undo = (['sent', 'receipt', 'state'] as const).map((event) => client.on(event, changed));
      return () => undo.forEach((end) => end());
    },
    [client],
  );
  return useSyncExternalStore(
    subscribe,
    () => pendingOf(client),
    () => NOTHING,
  );
}

/** What `useTyping` returns. */
export interface TypingState {
  /** Whether the other types. */
  readonly isTyping: boolean;
  /** Tells them that this user does: to be called at each change of the field, with what is in it, and `''` when it is sent. */
  readonly tell: (draft: string) => void;
}

/** Tells a user that this one types, and hears whether they do. On a server nobody types. */
export function useTyping(peer: string): TypingState {
  const client = useHoldfast();
  const typing = useRef<Typing | null>(null);
  const [typist, setTypist] = useState<string | null>(null);
  useEffect(() => {
    const watched = watchTyping(client, peer, (isTyping) => setTypist(isTyping ? peer : null));
    typing.current = watched;
    return () => {
      watched.end();
      setTypist(null);
    };
  }, [client, peer]);
  const tell = useCallback((draft: string) => typing.current?.tell(draft), []);
  return { isTyping: typist === peer, tell };
}

/** How many mounted providers each client has. */
const providers = new WeakMap<HoldfastClient, number>();

/** Keeps a client connected until the function that it returns is called for every call of this one. */
function hold(client: HoldfastClient): () => void {
  const count = providers.get(client) ?? 0;
  providers.set(client, count + 1);
  if (count === 0) client.connect();
  // StrictMode, and an update of the code while a page is developed, mount again at once.
  return () => void setTimeout(() => release(client), 0);
}

function release(client: HoldfastClient): void {
  const left = providers.get(client)! - 1;
  providers.set(client, left);
  if (left === 0) client.leave();
}

/** What each client's `pending` was: React renders again as long as it is another array each time. */
const snapshots = new WeakMap<HoldfastClient, readonly PendingMessage[]>();

function pendingOf(client: HoldfastClient): readonly PendingMessage[] {
  const now = client.pending;
  const last = snapshots.get(client);
  if (last?.length === now.length && now.every(({ id }, index) => id === last[index]!.id)) return last;
  snapshots.set(client, now);
  return now;
}
