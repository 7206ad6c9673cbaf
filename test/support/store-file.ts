import type { ChatApp } from './chat-app.js';
import { queryFile } from './crash-server.js';

/** A row of the store as it is in the file, with the content in hex. */
export interface FileRow {
  readonly recipient: string;
  readonly sender: string;
  readonly id: string;
  readonly content: string;
  readonly bytes: number;
}

/** All rows of the store, in the order of their positions, read by another connection than the server's. */
export function rowsOf(chat: ChatApp): Promise<FileRow[]> {
  return queryFile(
    chat.databaseFile,
    'SELECT recipient, sender, id, hex(content) AS content, bytes FROM holdfast_offline_message ORDER BY position',
  );
}

/** How `rowsOf` shows a content. */
export function hexOf(content: string): string {
  return Buffer.from(content).toString('hex').toUpperCase();
}
