export { describeApi } from './admin/api.js';
