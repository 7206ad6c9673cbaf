import type { PendingMessage } from './api.js';

/** Content and meta in UTF-8. */
export function bytesOf({ content, meta }: PendingMessage): number {
  return new TextEncoder().encode(content + (meta ? JSON.stringify(meta) : '')).length;
}
