import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { dialectOf } from '../../src/offline-messages/dialect.js';
import type { ChatApp } from './chat-app.js';
import { queryFile } from './crash-server.js';

/** A row of the store as it is in the database, with the content in hex. */
export interface FileRow {
  readonly recipient: string;
  readonly sender: string;
  readonly id: string;
  readonly content: string;
  readonly bytes: number;
}

/**
 * All rows of the store, in the order of their positions, read by another connection than the server's. Those of nodes
 * are in the order of their transactions, as each node has positions of its own.
 */
export async function rowsOf(chat: ChatApp): Promise<FileRow[]> {
  const store = chat.app.get<DataSource>(getDataSourceToken('holdfast'));
  if (store.options.type !== 'postgres') {
    return queryFile(
      chat.databaseFile,
      'SELECT recipient, sender, id, hex(content) AS content, bytes FROM holdfast_offline_message ORDER BY position',
    );
  }
  const rows = (await store.query(
    `SELECT recipient, sender, id, content, bytes FROM holdfast_offline_message
     ORDER BY CAST(CAST(xmin AS text) AS bigint), position`,
  )) as FileRow[];
  const dialect = dialectOf('postgres');
  return rows.map((row) => ({ ...row, content: hexOf(dialect.fromColumn(row.content)), bytes: Number(row.bytes) }));
}

/** How `rowsOf` shows a content. */
export function hexOf(content: string): string {
  return Buffer.from(content).toString('hex').toUpperCase();
}
