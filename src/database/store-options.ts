import { isAbsolute, resolve } from 'node:path';
import type { DataSourceOptions } from 'typeorm';
import { OfflineMessage } from '../offline-messages/offline-message.entity.js';
import { migrations } from './migrations/index.js';

/** Longest wait for a lock that another process holds on the file, in milliseconds; SQLite waits on a thread of its own. */
const BUSY_TIMEOUT_MS = 2_000;

/** Where messages wait, unless told otherwise. */
export const DEFAULT_DATABASE_URL = 'sqlite:data/holdfast.sqlite';

/** Turns `sqlite:PATH` into the options of a data source with the tables of the store; throws an Error for any other address. */
export function storeOptions(url: string = DEFAULT_DATABASE_URL): DataSourceOptions {
  const path = /^sqlite:(?!\/\/)(.+)$/.exec(url)?.[1];
  if (!path) {
    // Not the whole address: it may hold a password, and this goes to the log.
    throw new Error(
      `DATABASE_URL begins with '${url.split(':')[0]}:'; give sqlite:PATH, such as ${DEFAULT_DATABASE_URL}.`,
    );
  }
  return {
    type: 'sqlite',
    database: path === ':memory:' || isAbsolute(path) ? path : resolve(path),
    enableWAL: true,
    busyTimeout: BUSY_TIMEOUT_MS,
    entities: [OfflineMessage],
    migrations,
    migrationsTableName: 'holdfast_migrations',
    synchronize: false,
  };
}
