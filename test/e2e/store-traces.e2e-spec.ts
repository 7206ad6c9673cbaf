import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { QueryFailedError } from 'typeorm';
import { openStore } from '../../src/database/store-data-source.js';
import { storeOptions } from '../../src/database/store-options.js';

// In a file of its own: once anybody has asked sqlite3 for traces, everybody in the process gets them.
describe('the store on sqlite3', () => {
  it('has no trace written of what each statement is given', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-traces-'));
    const store = await openStore(storeOptions(`sqlite:${join(folder, 'store.sqlite')}`));
    const failure = await store
      .query('INSERT INTO nowhere VALUES (?)', ['the content'])
      .catch((error: QueryFailedError) => error.driverError as Error);
    expect(failure).toMatchObject({ code: 'SQLITE_ERROR' });
    expect((failure as Error).stack).not.toContain('the content');
    await store.destroy();
    await rm(folder, { recursive: true });
  });
});
