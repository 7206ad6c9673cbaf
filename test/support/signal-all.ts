import { readdir, readFile } from 'node:fs/promises';

/** Sends a signal to a process and to all that it has started, such as the sessions of Postgres. */
export async function signalAll(pid: number, signal: NodeJS.Signals): Promise<void> {
  process.kill(pid, signal);
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    // A process may have ended since the folder was read.
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '');
    if (/\) \w (\d+)/.exec(stat)?.[1] === String(pid)) killIfThere(Number(entry), signal);
  }
}

function killIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
