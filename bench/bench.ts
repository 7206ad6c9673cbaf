import { access, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readArguments, USAGE, UsageError, type BenchArguments } from './bench-arguments.js';
import { isOurs, type PeerName } from './peers/peers.js';
import { writeDocs } from './report/docs.js';
import { COMPARISONS, headline, isCompared } from './report/columns.js';
import { compileInto } from './run/compiled.js';
import { CORES } from './run/cores.js';
import { FilledDatabases } from './run/filled-database.js';
import { ROOT } from './run/measured-server.js';
import { planOf, variantsOf, type Group, type Variant } from './run/plan.js';
import { emptyResults, readResults, writeResults, type Results } from './run/results.js';
import { measure } from './run/rounds.js';

const FULL_RESULTS = join(ROOT, 'bench/results/full.json');
const DOCS = join(ROOT, 'docs');
const LAST_RESULTS = join(ROOT, 'bench/results/last.json');

async function main(): Promise<void> {
  const given = readArguments(process.argv.slice(2));
  if (given.help) return void process.stdout.write(USAGE);
  if (given.onlyDocs)
    return writeDocs(await readResults(given.from ?? FULL_RESULTS), given.from ? dirname(given.from) : DOCS);
  if (process.platform !== 'linux')
    throw new UsageError('CPU time and memory are read from /proc: the benchmark needs Linux');
  await access(join(ROOT, 'dist/main.js')).catch(() => {
    throw new UsageError('dist/main.js is not there: run `npm run build` first, as the built server is measured');
  });
  const results = await run(given);
  const isFull = given.letters.length === 0 && given.peers.length === 0;
  const path = given.out ?? (isFull ? FULL_RESULTS : LAST_RESULTS);
  await writeResults(path, results);
  if (isFull && !given.out) await writeDocs(await readResults(FULL_RESULTS), DOCS);
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
  const total = groups.reduce((sum, group) => sum + runsOf(group) * scale.rounds, 0);
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
        `${done}/${total}, ${minutes.toFixed(1)} min  ${row.variant.padEnd(12)} ${row.peer}${table}: ${headline(figures)}\n`,
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

/** The groups and peers that were asked for. Where ours are asked for alone, what they are compared with comes along. */
function chosen(groups: readonly Group[], { letters, peers }: BenchArguments): Group[] {
  const isWanted = (peer: PeerName, { scenario }: Variant) =>
    peers.length === 0 ||
    peers.includes(peer) ||
    (peers.every(isOurs) &&
      COMPARISONS[scenario].some(({ peer: other }) => other === peer && peers.some((own) => isCompared(own, peer))));
  return groups
    .filter(({ letter }) => letters.length === 0 || letters.includes(letter))
    .map((group) => {
      const variants = group.variants
        .filter((variant) => peers.length === 0 || variant.peers.some((peer) => peers.includes(peer)))
        .map((variant) => ({ ...variant, peers: variant.peers.filter((peer) => isWanted(peer, variant)) }));
      const kept = { ...group, variants };
      return { ...kept, entrants: group.entrants.filter((entrant) => variantsOf(kept, entrant).length > 0) };
    });
}

function runsOf(group: Group): number {
  return group.entrants.reduce((sum, entrant) => sum + variantsOf(group, entrant).length, 0);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message.trimEnd() : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
