import { access, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readArguments, UsageError, type BenchArguments } from './bench-arguments.js';
import { REFERENCE } from './peers/peers.js';
import { writeDocs } from './report/docs.js';
import { headline } from './report/columns.js';
import { compileInto } from './run/compiled.js';
import { CORES } from './run/cores.js';
import { FilledDatabases } from './run/filled-database.js';
import { ROOT } from './run/measured-server.js';
import { planOf, type Group } from './run/plan.js';
import { emptyResults, readResults, writeResults, type Results } from './run/results.js';
import { measure } from './run/rounds.js';

const FULL_RESULTS = join(ROOT, 'bench/results/full.json');
const LAST_RESULTS = join(ROOT, 'bench/results/last.json');

async function main(): Promise<void> {
  const given = readArguments();
  if (given.onlyDocs) return writeDocs(await readResults(FULL_RESULTS));
  if (process.platform !== 'linux')
    throw new UsageError('CPU time and memory are read from /proc: the benchmark needs Linux');
  await access(join(ROOT, 'dist/main.js')).catch(() => {
    throw new UsageError('dist/main.js is not there: run `npm run build` first, as the built server is measured');
  });
  const results = await run(given);
  const isFull = given.letters.length === 0 && given.peers.length === 0;
  const path = given.out ?? (isFull ? FULL_RESULTS : LAST_RESULTS);
  await writeResults(path, results);
  if (isFull && !given.out) await writeDocs(await readResults(FULL_RESULTS));
  process.stderr.write(`\n${results.minutes.toFixed(1)} minutes; the results are in ${path}\n`);
  for (const { text } of results.faults) process.stderr.write(`${text}\n`);
  if (results.faults.some((fault) => fault.isOurs)) {
    process.stderr.write('failed: a benchmark of ours that loses something proves nothing\n');
    process.exitCode = 1;
  }
}

async function run(given: BenchArguments): Promise<Results> {
  const { scale } = given;
  if (!CORES) process.stderr.write('there is no taskset, or one core only: server and generator share what there is\n');
  const results = emptyResults(scale);
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'));
  const code = join(folder, 'code');
  await mkdir(code);
  await compileInto(code);
  if (given.profileFolder) await mkdir(given.profileFolder, { recursive: true });
  const groups = chosen(planOf(scale), given);
  const total = groups.reduce((sum, group) => sum + group.entrants.length * group.variants.length * scale.rounds, 0);
  const startedAt = performance.now();
  let done = 0;
  const around = {
    folder,
    code,
    databases: new FilledDatabases(folder, code),
    profileFolder: given.profileFolder,
    onMeasured(row: Results['rows'][number], figures: Record<string, number>) {
      done += 1;
      const minutes = (performance.now() - startedAt) / 60_000;
      const table = row.rows > 0 ? `, ${row.rows.toLocaleString('en')} rows of others` : '';
      process.stderr.write(
        `${done}/${total}, ${minutes.toFixed(1)} min  ${row.variant.padEnd(8)} ${row.peer}${table}: ${headline(figures)}\n`,
      );
    },
  };
  try {
    for (const group of groups) await measure(group, scale.rounds, results, around);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  results.minutes = (performance.now() - startedAt) / 60_000;
  return results;
}

/** The groups and entrants that were asked for; with any peer comes what it is compared with. */
function chosen(groups: readonly Group[], { letters, peers }: BenchArguments): Group[] {
  return groups
    .filter((group) => letters.length === 0 || letters.includes(group.letter))
    .map((group) => {
      const isAsked = (peer: string) => peers.length === 0 || peers.some((name) => name === peer);
      const entrants = group.entrants.filter(({ peer }) => isAsked(peer) || peer === REFERENCE);
      return { ...group, entrants: entrants.some(({ peer }) => isAsked(peer)) ? entrants : [] };
    });
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message.trimEnd() : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
