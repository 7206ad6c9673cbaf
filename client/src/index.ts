export { createClient } from './create-client.js';
export { newId } from './new-id.js';
export {
  RefusedError,
  type BroadcastOptions,
  type ClientEvents,
  type ClientOptions,
  type ConnectionState,
  type HoldfastClient,
  type PendingMessage,
  type Receipt,
  type ReceiptEvent,
  type ReceivedMessage,
  type ReceivedSignal,
  type RefusalCode,
  type SendExtras,
  type SendOptions,
  type SentMessage,
  type StateChange,
  type TokenReason,
} from './api.js';
export { keyOf, MAX_SEEN, type InboxMessage, type MessageKey, type OutboxEntry, type Store } from './store.js';
export { MemoryStore } from './memory-store.js';
export { watchTyping, type Typing } from './typing.js';
