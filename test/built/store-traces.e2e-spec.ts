import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Opens a store, has a statement fail, and writes what the driver says of it. */
const SCRIPT = `
  import { openStore } from './dist/database/store-data-source.js';
  import { storeOptions } from './dist/database/store-options.js';
  const store = await openStore(storeOptions(process.argv[1]));
  await store.query('SELECT * FROM nowhere WHERE id = ?', ['the content']).catch(({ driverError }) => console.log(driverError.stack));
  await store.destroy();
`;

describe('the store on sqlite3', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'holdfast-traces-'))));
  afterEach(() => rm(folder, { recursive: true, force: true }));

  // In its own process: once somebody has asked sqlite3 for traces, everybody in the process gets them.
  it('has no trace written of what each statement is given', async () => {
    const url = `sqlite:${join(folder, 'store.sqlite')}`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', SCRIPT, url]);
    expect(stdout).toContain('SQLITE_ERROR: no such table: nowhere');
    expect(stdout).not.toContain('the content');
  });
});
