import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

interface Row {
  readonly variant: string;
  readonly peer: string;
  readonly rows: number;
  readonly rounds: readonly (Record<string, number> | null)[];
}

interface Results {
  readonly rows: readonly Row[];
  readonly faults: readonly unknown[];
}

/** Small enough to be quick: the figures do not matter here. */
const TINY =
  '--rounds 1 --seconds 0.2 --warm-seconds 0.05 --settle-seconds 0 --pairs 3 --rate 500 --receivers 20 --idle 30 --senders 4 ' +
  '--away 10 --pending 300 --clients 20 --others 200 --growth 4,20 --tables 0,200';

describe('the benchmark', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-test-'))));
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** Runs the script as a person would. */
  function bench(...args: string[]): Promise<{ exitCode: number; output: string }> {
    return new Promise((done) => {
      execFile(
        'npm',
        ['run', '--silent', 'bench', '--', ...args],
        { cwd: ROOT, timeout: 170_000 },
        (error, stdout, stderr) => done({ exitCode: error ? Number(error.code ?? -1) : 0, output: stdout + stderr }),
      );
    });
  }

  async function measured(...args: string[]): Promise<Results> {
    const out = join(folder, 'results.json');
    const { exitCode, output } = await bench(...args, ...TINY.split(' '), '--out', out);
    // The output comes first: it says what was lost. The exit code only says that something was.
    expect({ output, exitCode }).toEqual({ output: expect.not.stringContaining('failed'), exitCode: 0 });
    return JSON.parse(await readFile(out, 'utf8')) as Results;
  }

  function expectNothingLost({ rows, faults }: Results): void {
    expect(faults).toEqual([]);
    for (const { variant, peer, rounds } of rows) {
      expect([variant, peer, rounds]).toEqual([variant, peer, [expect.objectContaining({ lost: 0 })]]);
      // A reconnect with nothing pending sends nothing, so the clients that are served are counted.
      expect(rounds[0]![variant === 'F-0' ? 'served' : 'sent']).toBeGreaterThan(0);
    }
  }

  it('runs every scenario, for this server and the bare relay, and loses nothing', async () => {
    const results = await measured('json', 'bare-ws');
    expectNothingLost(results);
    const ran = results.rows.map(({ variant, peer, rows }) => `${variant} ${peer}${rows > 0 ? ` ${rows}` : ''}`);
    const both = ['A-16', 'A-1', 'A-1KiB', 'A-rate', 'B', 'C', 'F-0', 'G-4', 'G-20'];
    expect(ran.sort()).toEqual(
      [
        ...both.flatMap((variant) => [`${variant} bare-ws`, `${variant} holdfast-json`]),
        ...['D', 'E', 'E', 'F-4', 'G-table', 'G-table'].map((variant) => `${variant} holdfast-json`),
      ]
        .map((row, index, all) => (all.indexOf(row) < index ? `${row} 200` : row))
        .sort(),
    );
    const relayed = results.rows.find(({ variant, peer }) => variant === 'A-16' && peer === 'holdfast-json')!
      .rounds[0]!;
    expect(relayed).toMatchObject({ unacknowledged: 0, repeated: 0, disordered: 0 });
    expect(relayed['delivered']).toBe(relayed['sent']);
    expect(Object.keys(relayed)).toEqual(
      expect.arrayContaining(['cpuPerMillion', 'perSecond', 'p50Ms', 'p99Ms', 'generatorPercent', 'otherPercent']),
    );
  }, 180_000);

  it('runs one scenario with one peer and what it is compared with', async () => {
    const results = await measured('A', 'text');
    expectNothingLost(results);
    expect([...new Set(results.rows.map(({ peer }) => peer))].sort()).toEqual(['bare-ws', 'holdfast-text']);
  }, 60_000);

  it('knows nothing but its scenarios, peers and sizes', async () => {
    expect(await bench('H')).toEqual({
      exitCode: 2,
      output: expect.stringContaining("'H' is no scenario and no peer"),
    });
    expect(await bench('--rounds', 'many')).toEqual({
      exitCode: 2,
      output: expect.stringContaining("--rounds is 'many'; give a number"),
    });
  });
});
