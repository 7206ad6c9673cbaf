export { describeApi } from './admin/calls.js';
export type { SwaggerDecorators } from './admin/describe-api.js';
