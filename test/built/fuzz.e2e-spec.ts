import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { SEED } from '../support/seed.js';

const ROOT = join(import.meta.dirname, '../..');

/** Runs the script as a person would. */
function fuzz(...args: string[]): Promise<{ exitCode: number; output: string }> {
  return new Promise((done) => {
    execFile(
      'npm',
      ['run', '--silent', 'fuzz', '--', ...args],
      { cwd: ROOT, timeout: 55_000 },
      (error, stdout, stderr) => done({ exitCode: error ? Number(error.code ?? -1) : 0, output: stdout + stderr }),
    );
  });
}

describe('mutated frames, while healthy clients chat', () => {
  it.each([20_261_123, SEED])('harm nobody, with the seed %i', async (seed) => {
    const { exitCode, output } = await fuzz('--seed', String(seed), '--frames', '2000');
    expect(output).toMatch(/^frames +2000 /m);
    expect(output).toMatch(/^healthy lost +0$/m);
    expect(output).toMatch(/^faults +0$/m);
    expect(exitCode).toBe(0);
  });

  it('are as many as a number says, and nothing else', async () => {
    const { exitCode, output } = await fuzz('--frames', 'many');
    expect(exitCode).toBe(2);
    expect(output).toContain("--frames is 'many'; give a whole number");
  });
});
