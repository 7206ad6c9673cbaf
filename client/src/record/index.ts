export { createClient } from './record-client.js';
export { statusOf, type Conversation, type HistoryPlace, type RecordedMessage } from './conversation.js';
export { type HistoryPage, type RecordClient, type RecordClientOptions } from './record-api.js';
export { type RecordStore } from './record-store.js';
