export { ChatModule } from './chat/chat.module.js';
export type {
  ChatModuleAsyncOptions,
  ChatModuleExtras,
  ChatModuleOptions,
  ChatOptionsFactory,
} from './chat/chat-module.options.js';
export { ChatException } from './chat/chat-exception.js';
export type {
  ChatConversation,
  ChatConversations,
  ChatHistory,
  ChatSync,
  HistoryQuery,
  PastMessage,
} from './chat/chat-record.js';
export { ChatService, type PendingMessage } from './chat/chat.service.js';
export type { ErasureResult } from './admin/erasures.js';
export type { ErasedCounts, ErasedUser } from './admin/whole-chat.js';
export { outgoing, type OutgoingSettings } from './chat/outgoing.js';
export { OnChatEvent, type ChatEvents, type WaitingEvent } from './chat/chat-events.js';
export { ChatWsAdapter, type ChatWsAdapterOptions } from './gateway/chat-ws.adapter.js';
export type { Amendment, Authorize, AuthorizeRequest, Verdict } from './gateway/policy.js';
export type { ClusterOptions } from './cluster/cluster.options.js';
export type { Authenticator, Principal } from './authentication/authenticator.js';
export { AuthenticationOptions } from './authentication/authentication.options.js';
export { jwt, type JwtOptions } from './authentication/jwt.authenticator.js';
export { HandshakeRefusal } from './protocol/handshake-refusal.js';
export { trusted } from './authentication/trusted.authenticator.js';
export { storeMigrations } from './database/migrations/index.js';
export { outgoingMigrations } from './outgoing/create-outgoing.migration.js';
export type { OutgoingMessage } from './outgoing/outgoing-message.js';
export type { OutgoingRefusal } from './outgoing/outgoing-queue.js';
export type { OutgoingStatement } from './outgoing/outgoing-table.js';
export type { OutgoingOptions } from './outgoing/outgoing.options.js';
export type { ScheduledMessage, TransactionManager } from './outgoing/outgoing.service.js';
export type { ConnectionInfo } from './connections/connection-info.js';
export { OfflineMessage } from './offline-messages/offline-message.entity.js';
export { ChatOptionsError, type ChatOptions } from './options/chat.options.js';
export type { GivenRecordOptions, RecordOptions } from './options/record-options.js';
export type { Clock } from './options/clock.js';
export { CloseCode } from './protocol/close-code.js';
export type { ChatMessage, MessageHeader } from './protocol/chat-message.js';
export type { Receipt } from './protocol/message.js';
export type { SendRequest } from './protocol/send-request.js';
export type { SignalRequest } from './protocol/signal.js';
export type { ErrorCode, QuotaScope, Urgency } from './protocol/wire.js';
