import { execFile } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

interface Line {
  readonly shares: readonly { readonly roundTripMs: number; readonly messages: number; readonly counted: number }[];
}

/** Runs the script as a person would. */
function confirmations(...args: string[]): Promise<{ exitCode: number; output: string }> {
  return new Promise((done) => {
    execFile(
      'npm',
      ['run', '--silent', 'confirmations', '--', ...args],
      { cwd: ROOT, timeout: 55_000 },
      (error, stdout, stderr) => done({ exitCode: error ? Number(error.code ?? -1) : 0, output: stdout + stderr }),
    );
  });
}

describe('the measuring of confirmations', () => {
  it('finds nothing stored on a fast link, and everything on one that is slower than persistAfterMs', async () => {
    const args = ['--persist-after', '500', '--round-trips', '0,1000', '--seconds', '2', '--json'];
    const { exitCode, output } = await confirmations('stored', ...args);
    expect({ exitCode, output }).toMatchObject({ exitCode: 0 });
    for (const { shares } of (JSON.parse(output) as { stored: Line[] }).stored) {
      const [fast, slow] = shares;
      expect(fast).toMatchObject({ roundTripMs: 0, counted: 0 });
      expect(slow).toMatchObject({ roundTripMs: 1_000, counted: slow!.messages });
    }
  });

  it('finds what comes again to clients that leave before they confirm', async () => {
    const args = ['--leave-after', '0', '--round-trips', '10', '--seconds', '2'];
    const { exitCode, output } = await confirmations('repeated', ...args);
    expect({ exitCode, output }).toMatchObject({ exitCode: 0 });
    expect(output).toMatch(/^text sender, alone, closes +100\.0 % of \d+$/m);
    expect(output).toMatch(/^json sender, alone, breaks off +100\.0 % of \d+$/m);
  });

  it('measures what there is, and nothing else', async () => {
    const { exitCode, output } = await confirmations('everything');
    expect(exitCode).toBe(2);
    expect(output).toContain("'everything' is not measured");
  });
});
