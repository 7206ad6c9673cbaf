export { ChatModule, type ChatModuleSettings } from './chat/chat.module.js';
export { ChatWsAdapter } from './gateway/chat-ws.adapter.js';
export { ConnectionService } from './connections/connection.service.js';
export { OfflineMessageService } from './offline-messages/offline-message.service.js';
export { OfflineMessage } from './offline-messages/offline-message.entity.js';
export { ChatOptions, ChatOptionsError } from './options/chat.options.js';
export { ChatError, type ErrorCode } from './protocol/chat-error.js';
export { CloseCode } from './protocol/close-code.js';
