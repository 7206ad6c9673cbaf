export { describeApi } from './admin/calls.js';
export type { SwaggerDecorators } from './admin/describe-api.js';
export { describeSocket, type AsyncApiDocument, type SocketDescription } from './admin/describe-socket.js';
