import { readFile } from 'node:fs/promises';
import sqlite3 from 'sqlite3';
import type { LedgerTotals } from '../../src/delivery/ledger.js';
import { ServerProcess } from './server-process.js';

/** The limits are off, so that nothing is refused: what a crowd sends has to come, or it is lost. */
export const UNCAPPED = {
  CHAT_MAX_PENDING_PER_USER: 'none',
  CHAT_MAX_PENDING_PER_SENDER: 'none',
  CHAT_MAX_PENDING_BYTES_PER_USER: 'none',
  CHAT_MAX_STORED_BYTES_PER_SENDER: 'none',
  CHAT_MAX_STORED_BYTES: 'none',
};

/** A connection as the administrator sees it. */
export interface SeenConnection {
  readonly id: string;
  readonly user: string;
  readonly inFlight: number;
  readonly sent: number;
  readonly bufferedBytes: number;
}

/** A server whose REST API can be called. */
export type Asked = Pick<ServerProcess, 'url'>;

export async function connectionsOf(server: Asked, user: string): Promise<readonly SeenConnection[]> {
  return (await ask<{ items: SeenConnection[] }>(server, `/chat/connections?user=${user}`)).items;
}

/** How many messages wait for a user in the store. */
export async function pendingOf(server: Asked, user: string): Promise<number> {
  return (await ask<{ pending: number }>(server, `/chat/users/${user}`)).pending;
}

/** The counters, which have to balance [protocol 2.3]. */
export async function balancedTotals(server: Asked): Promise<LedgerTotals> {
  const { messages } = await ask<{ messages: LedgerTotals }>(server, '/chat/stats');
  const { accepted, confirmed, pending, inFlight, expired, purged, evicted, replaced, handedOver } = messages;
  if (accepted === confirmed + pending + inFlight + expired + purged + evicted + replaced + handedOver) return messages;
  throw new Error(`the books do not balance: ${JSON.stringify(messages)}`);
}

async function ask<Answer>({ url }: Asked, path: string): Promise<Answer> {
  const response = await fetch(`${url}${path}`);
  if (response.status !== 200) throw new Error(`${path} answered ${response.status} ${await response.text()}`);
  return (await response.json()) as Answer;
}

/** Memory of a process that is in use now, in bytes, as Linux counts it. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

/** Runs a statement on a database file that no server has open; returns its rows. */
export async function queryFile<Row>(file: string, sql: string): Promise<Row[]> {
  const database = await new Promise<sqlite3.Database>((resolve, reject) => {
    const opened = new sqlite3.Database(file, sqlite3.OPEN_READWRITE, (error) =>
      error ? reject(error) : resolve(opened),
    );
  });
  try {
    return await new Promise((resolve, reject) =>
      database.all<Row>(sql, (error, rows) => (error ? reject(error) : resolve(rows))),
    );
  } finally {
    await new Promise<void>((resolve, reject) => database.close((error) => (error ? reject(error) : resolve())));
  }
}
