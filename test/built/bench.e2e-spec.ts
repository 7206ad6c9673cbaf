import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readArguments, UsageError } from '../../bench/bench-arguments.js';
import { CHANNEL_MIX, drawTalker } from '../../bench/generator/channel-mix.js';

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
  '--rounds 1 --seconds 0.2 --warm-seconds 0.05 --settle-seconds 0 --shapes 3x16x64,3x1x1024 --rate 500 ' +
  '--open-seconds 0.2 --talking 20 --channel 60 --receivers 20 --idle 30 --stores 4x2x10 --pending 300 ' +
  '--clients 20 --others 200 --growth 4 --tables 0,200 --cluster-shapes 3x16x64 --cluster-rate 500 --processes 2';

describe('the benchmark', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-test-'))));
  afterEach(() => rm(folder, { recursive: true, force: true }));

  function run(command: string, ...args: string[]): Promise<{ exitCode: number; output: string }> {
    return new Promise((done) => {
      execFile(command, args, { cwd: ROOT, timeout: 170_000 }, (error, stdout, stderr) =>
        done({ exitCode: error ? Number(error.code ?? -1) : 0, output: stdout + stderr }),
      );
    });
  }

  /** Runs what `npm run bench` runs. */
  const bench = (...args: string[]) =>
    run(process.execPath, '--import', '@swc-node/register/esm-register', 'bench/bench.ts', ...args);

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

  // D and H are among what is compared below.
  it('runs the scenarios of one server, for it and the bare relay, and loses nothing', async () => {
    const results = await measured('A', 'B', 'C', 'E', 'F', 'G', 'json', 'bare-ws');
    expectNothingLost(results);
    const ran = results.rows.map(({ variant, peer, rows }) => `${variant} ${peer}${rows > 0 ? ` ${rows}` : ''}`);
    const both = ['A-3x16x64', 'A-3x1x1024', 'B', 'C', 'F-0', 'G-4'];
    expect(ran.sort()).toEqual(
      [
        ...both.flatMap((variant) => [`${variant} bare-ws`, `${variant} holdfast-json`]),
        ...['E', 'E', 'F-4', 'G-table', 'G-table'].map((variant) => `${variant} holdfast-json`),
      ]
        .map((row, index, all) => (all.indexOf(row) < index ? `${row} 200` : row))
        .sort(),
    );
    const relayed = results.rows.find(({ variant, peer }) => variant === 'A-3x16x64' && peer === 'holdfast-json')!
      .rounds[0]!;
    expect(relayed).toMatchObject({ unacknowledged: 0, repeated: 0, disordered: 0 });
    expect(relayed['delivered']).toBe(relayed['sent']);
    expect(Object.keys(relayed)).toEqual(
      expect.arrayContaining(['cpuPerMillion', 'perSecond', 'p50Ms', 'p99Ms', 'generatorPercent', 'otherPercent']),
    );
  }, 180_000);

  it('draws who talks as unequally as in the channel: a twentieth of the people write a third', () => {
    let drawn = 0;
    // Evenly spread instead of random, so that the shares are exact.
    const talkers = Array.from({ length: 998 }, () => {
      const part = (drawn++ + 0.5) / 998;
      return drawTalker(CHANNEL_MIX, 1_000, () => part);
    });
    expect(talkers.filter((talker) => talker < 50).length).toBe(324);
    expect(talkers.filter((talker) => talker >= 950).length).toBe(5);
    expect(Math.max(...talkers)).toBeLessThan(1_000);
  });

  it.each([
    ['A', 'text', ['bare-ws', 'holdfast-text']],
    ['D', 'record', ['aedes', 'holdfast-json', 'holdfast-record']],
  ])('runs %s with %s and what it is compared with', async (letter, peer, peers) => {
    const results = await measured(letter, peer);
    expectNothingLost(results);
    expect([...new Set(results.rows.map((row) => row.peer))].sort()).toEqual(peers);
  });

  it('sends as much as it is told in H, whatever the answers do', async () => {
    const results = await measured('H', 'json');
    expectNothingLost(results);
    const sentOf = (name: string) =>
      Object.fromEntries(
        results.rows.filter(({ variant }) => variant === name).map(({ peer, rounds }) => [peer, rounds[0]!['sent']]),
      );
    // One from each talker, 0.05 s to get warm and 0.2 s that count, at 500/s.
    const byEach = (sent: number) => ({
      'bare-ws': sent,
      'holdfast-json': sent,
      'json-acks': sent,
      'socket-io': sent,
    });
    expect(sentOf('H-all')).toEqual(byEach(20 + 25 + 100));
    expect(sentOf('H-channel')).toEqual(byEach(6 + 25 + 100));
  });

  it('runs processes that are one chat, at home and anywhere', async () => {
    const results = await measured('I', 'holdfast-redis', 'socket-io-acks');
    expectNothingLost(results);
    const ran = results.rows.map(({ variant, peer }) => `${variant} ${peer}`);
    const variants = ['I-3x16x64-home', 'I-3x16x64-random', 'I-open-home', 'I-open-random'];
    expect(ran.sort()).toEqual(
      variants.flatMap((variant) => [`${variant} holdfast-redis`, `${variant} socket-io-acks`]).sort(),
    );
  });

  it('begins its page with our CPU time divided by that of the peers, shape by shape', async () => {
    const row = (variant: string, peer: string, ...cpuPerMillion: number[]) => ({
      letter: variant[0],
      variant,
      scenario: variant.startsWith('H') ? 'open' : 'relay',
      title: `shape ${variant}`,
      peer,
      rows: 0,
      rounds: cpuPerMillion.map((cpu) => ({ cpuPerMillion: cpu, perSecond: 1_000, p50Ms: 1, p99Ms: cpu })),
    });
    const results = {
      measuredAt: '2026-01-01T00:00:00.000Z',
      scale: { rounds: 3, seconds: 1, growth: [], tables: [], stores: [] },
      faults: [],
      rows: [
        row('A-1', 'holdfast-text', 10, 10, 30),
        row('A-1', 'bare-ws', 20, 10, 10),
        row('A-1', 'holdfast-json', 30, 10, 10),
        row('A-1', 'json-acks', 20, 20, 20),
        row('H-all', 'holdfast-json', 5, 5, 5),
        row('H-all', 'socket-io', 10, 10, 20),
      ],
    };
    const from = join(folder, 'results.json');
    await writeFile(from, JSON.stringify(results));
    expect(await bench('--docs', '--from', from)).toEqual({ output: '', exitCode: 0 });
    const page = (await readFile(join(folder, 'benchmarks.md'), 'utf8')).replaceAll(/ +/g, ' ');
    expect(page.slice(0, page.indexOf('## How'))).toContain(
      [
        '| shape | text ÷ bare `ws` | JSON ÷ `ws` with acks | JSON ÷ Socket.IO |',
        '| ----------- | ---------------: | --------------------: | ---------------: |',
        '| shape H-all | | | 0.50 (0.25–0.50) |',
        '| shape A-1 | 1.00 (0.50–3.00) | 0.50 (0.50–1.50) | |',
      ].join('\n'),
    );
    expect(await readFile(join(folder, 'images/benchmarks/glance.svg'), 'utf8')).toContain('>shape A-1</text>');
  });

  it('knows nothing but its scenarios, peers and sizes', async () => {
    expect(await run('npm', 'run', '--silent', 'bench', '--', 'J')).toEqual({
      exitCode: 2,
      output: expect.stringContaining("'J' is no scenario and no peer"),
    });
    const complaint = (...args: string[]) => {
      try {
        return readArguments(args);
      } catch (error) {
        return error instanceof UsageError ? error.message : error;
      }
    };
    expect(complaint('--rounds', 'many')).toMatch("--rounds is 'many'; give a number");
    expect(complaint('--shapes', '50x16')).toMatch("--shapes is '50x16'; give sizes like 1000x2x64, divided by commas");
    expect(await bench('--help')).toEqual({ exitCode: 0, output: expect.stringContaining('--shapes 1000x2x64') });
  });
});
