import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '../..');

/** Opens the file as `database`, runs a program on it, and prints what that returns. */
const PROGRAM = `
const [file, program] = process.argv.slice(1);
const database = new (require('better-sqlite3'))(file, { timeout: 0 });
const AsyncFunction = (async () => undefined).constructor;
new AsyncFunction('database', program)(database).then(
  (answer) => console.log(JSON.stringify(answer ?? null)),
  (error) => console.log(JSON.stringify(error.code)),
);
`;

/**
 * Runs JavaScript on a database file in another process, as a backup or an inspection of a store would. Returns its
 * result, or the code of SQLite's error. In the process of a server, closing such a file would release its locks.
 */
export async function runBeside(file: string, program: string): Promise<unknown> {
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', PROGRAM, file, program], { cwd: ROOT });
  return JSON.parse(stdout) as unknown;
}
