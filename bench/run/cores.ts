import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Server and generator have a core each; null where they can't be kept apart. */
export const CORES = canPin() ? { server: '0', generator: '1' } : null;

/** The command, kept on one core if that can be done. */
export function on(core: keyof NonNullable<typeof CORES>, command: readonly string[]): [string, string[]] {
  const [file, ...rest] = CORES ? ['taskset', '-c', CORES[core], ...command] : command;
  return [file!, rest];
}

function canPin(): boolean {
  return availableParallelism() >= 2 && spawnSync('taskset', ['-c', '0,1', 'true']).status === 0;
}
