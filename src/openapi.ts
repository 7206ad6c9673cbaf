export { describeApi, type SwaggerDecorators } from './admin/api.js';
