import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** Ticks of the kernel's accounts of CPU time per second: USER_HZ, which Linux has fixed for its interfaces. */
const TICKS_PER_SECOND = 100;
const RESET_PEAK = '5';

/** User and system time of a process with all its threads, and of its children, also those that ended, in seconds. */
export function treeCpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is a name in parentheses, in which anything may stand.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const own = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  return children.reduce((sum, child) => sum + ifItRuns(() => treeCpuSeconds(Number(child))), own);
}

/** A child that has ended meanwhile counts for its parent. */
function ifItRuns(seconds: () => number): number {
  try {
    return seconds();
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code!)) return 0;
    throw error;
  }
}

/** What all processes of the machine used, in seconds, with what its host took from it. */
export function machineCpuSeconds(): number {
  const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]!
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user! + nice! + system! + irq! + softirq! + steal!) / TICKS_PER_SECOND;
}

/** Resident memory of a process in KiB: now, and at its highest. */
export function memoryKib(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]);
  return { now: of('VmRSS'), peak: of('VmHWM') };
}

/** Resets the peak. */
export function resetPeakMemory(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, RESET_PEAK);
}

/** How many files, and with them connections, a process has open. */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
