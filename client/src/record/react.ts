'use client';

import { useCallback, useEffect, useMemo, useSyncExternalStore } from 'react';
import { useHoldfast } from '../react.js';
import { newThread, type Conversation } from './conversation.js';
import type { RecordClient } from './record-api.js';

const NOTHING: readonly Conversation[] = [];

/** Returns the client of the provider above; throws an Error when it is not one of `holdfast-client/record`. */
export function useRecord(): RecordClient {
  const client = useHoldfast();
  if (!('conversations' in client)) throw new Error('make the client with createClient of holdfast-client/record');
  return client as RecordClient;
}

/** Returns what is known of all conversations, the newest first. On a server it is empty. */
export function useConversations(): readonly Conversation[] {
  const client = useRecord();
  return useSyncExternalStore(
    useSubscribe(client),
    () => client.conversations,
    () => NOTHING,
  );
}

/** Returns how many messages are unread in all conversations. On a server it is 0. */
export function useUnread(): number {
  const client = useRecord();
  return useSyncExternalStore(
    useSubscribe(client),
    () => client.unread,
    () => 0,
  );
}

/**
 * Returns what is known of a conversation, which is open while the component is mounted: the newest messages are asked
 * for, and `earlier` of the client brings more. On a server nothing is known.
 */
export function useConversation(name: string): Conversation {
  const client = useRecord();
  useEffect(() => client.open(name), [client, name]);
  const blank = useMemo(() => newThread(name), [name]);
  return useSyncExternalStore(
    useSubscribe(client),
    () => client.conversation(name),
    () => blank,
  );
}

function useSubscribe(client: RecordClient): (changed: () => void) => () => void {
  return useCallback((changed: () => void) => client.on('record', changed), [client]);
}
