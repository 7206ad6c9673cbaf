import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { withDeadline } from './deadline.js';

const ROOT = join(import.meta.dirname, '../..');

/** Runs statements on the file, says that it is ready, and keeps the connection until its input ends. */
const PROGRAM = `
const sqlite3 = require('sqlite3');
const [file, ...statements] = process.argv.slice(1);
const database = new sqlite3.Database(file);
const run = (statement) => new Promise((resolve, reject) =>
  database.all(statement, (error) => (error ? reject(error) : resolve())));
(async () => {
  await run('PRAGMA busy_timeout = 5000');
  for (const statement of statements) await run(statement);
  console.log('ready');
  process.stdin.resume().on('end', () => process.exit());
})();
`;

/** Another process with a transaction open on the file of a store, as a backup or a stray shell would have it. */
export class LockHolder {
  private constructor(private readonly child: ChildProcess) {}

  /** Resolves when all the statements have been run. */
  static async start(file: string, ...statements: string[]): Promise<LockHolder> {
    const child = spawn(process.execPath, ['-e', PROGRAM, file, ...statements], {
      cwd: ROOT,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const ready = new Promise<void>((resolve, reject) => {
      createInterface(child.stdout!).once('line', () => resolve());
      child.once('exit', (code) => reject(new Error(`the other process ended with ${code}`)));
    });
    await withDeadline(ready, () => `another process runs ${statements.join('; ')}`);
    return new LockHolder(child);
  }

  /** Ends the process, which releases the lock, and waits for the end. */
  async release(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('close', resolve));
    this.child.stdin!.end();
    await withDeadline(ended, () => 'the other process ends');
  }
}
