import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Figures, Job } from '../generator/job.js';
import { on } from './cores.js';
import { ROOT } from './measured-server.js';

const LONGEST_MS = 15 * 60_000;

/**
 * Runs jobs one after the other in a generator on its own core. The folder `code` has it compiled. Rejects with its
 * output when it fails.
 */
export function generate(
  code: string,
  jobs: readonly Job[],
  onFigures: (figures: Figures, index: number) => void,
): Promise<void> {
  const [name, args] = on('generator', [process.execPath, join(code, 'generator/generator.js'), JSON.stringify(jobs)]);
  return new Promise((resolve, reject) => {
    const child = spawn(name, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], timeout: LONGEST_MS });
    let [line, words, done] = ['', '', 0];
    child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text));
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (line + text).split('\n');
      line = lines.pop()!;
      for (const json of lines) onFigures(JSON.parse(json) as Figures, done++);
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0 && done === jobs.length) resolve();
      else
        reject(
          new Error(
            `the generator ended with ${code ?? signal} after ${done} of ${jobs.length} jobs: ${faultIn(words)}`,
          ),
        );
    });
  });
}

/** Returns the line that says what went wrong, without the stack. */
function faultIn(words: string): string {
  return /^\w*Error: .*$/m.exec(words)?.[0] ?? words.trim().slice(-300);
}
