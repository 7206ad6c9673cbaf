import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const SRC = join(import.meta.dirname, '../src');
const LENGTH = 64 * 1024;
/**
 * The CPU time for all of them together, in seconds. One expression with quadratic time, or worse, takes longer than this
 * on 64 KiB. It finds a hang and measures nothing; the time of a busy machine does not count.
 */
const CPU_SECONDS = 25;

interface Expression {
  readonly path: string;
  readonly source: string;
  readonly flags: string;
}

/** Every regular expression that is written in a source. */
function expressionsIn(path: string, text: string): Expression[] {
  const found: Expression[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isRegularExpressionLiteral(node)) {
      const end = node.text.lastIndexOf('/');
      found.push({ path, source: node.text.slice(1, end), flags: node.text.slice(end + 1) });
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.ES2023));
  return found;
}

/**
 * Runs every expression on every hostile text, and names each before it begins. It runs in its own process, as nothing
 * else can end a match.
 */
const RUN = `
  const { expressions, length } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
  const fill = (piece) => piece.repeat(Math.ceil(length / piece.length)).slice(0, length);
  const ends = ['', '!', '\\n'];
  let tried = 0;
  for (const { path, source, flags } of expressions) {
    process.stdout.write('\\n' + path + ': /' + source + '/' + flags);
    const expression = new RegExp(source, flags.replace('g', ''));
    const words = source.match(/[A-Za-z0-9:._-]+/g) ?? [];
    const own = [...new Set(source)];
    const pieces = ['a', 'A', '0', '9', ' ', '\\t', '\\n', '|', '/', '.', ',', '-', '_', '\\\\', '\\u200b', '\\u00e9', 'aA', 'a.', './', '/a', '0.', '127.',
      '1 ', ', ', 'Bearer ', ...own, ...words, ...own.map((each) => 'a' + each), ...words.map((each) => each + ' ')];
    const starts = ['', ...words, ...words.slice(1).map((_, n) => words.slice(0, n + 2).join('')), 'Bearer ', 'http://', 'sqlite:', '127'];
    for (const piece of new Set(pieces))
      for (const start of new Set(starts)) for (const end of ends) { expression.test(start + fill(piece) + end); tried += 1; }
  }
  process.stdout.write('\\ntried ' + tried + '\\n');
`;

function run(expressions: readonly Expression[], cpuSeconds: number): { ended: boolean; output: string } {
  const input = JSON.stringify({ expressions, length: LENGTH });
  const limited = ['-c', `ulimit -t ${cpuSeconds} && exec "$@"`, 'sh', process.execPath, '--eval', RUN];
  const { status, stdout, stderr } = spawnSync('sh', limited, { input, encoding: 'utf8' });
  return { ended: status === 0, output: (stdout + stderr).trim() };
}

const expressions = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.spec.ts'))
  .flatMap((path) => expressionsIn(path, readFileSync(join(SRC, path), 'utf8')));

describe('the regular expressions of the source', () => {
  it('are found, and none is made at run time, where it would not be', () => {
    expect(expressions.map(({ source }) => source)).toContain('^[A-Za-z0-9_-]{1,64}$');
    const made = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !path.endsWith('.spec.ts'))
      .filter((path) => /\bRegExp\(/.test(readFileSync(join(SRC, path), 'utf8')));
    // Of the flag v, which no literal has before ES2024. They see names of 128 bytes at most, and their own test runs
    // them on those.
    expect(made).toEqual(['protocol/user-name.ts']);
  });

  it('come to an end on 64 KiB of whatever they might run in circles over', () => {
    const { ended, output } = run(expressions, CPU_SECONDS);
    expect([ended, output.split('\n').at(-1)]).toEqual([true, expect.stringMatching(/^tried \d{4,}$/)]);
  }, 600_000);

  it.each(['\\s+$', '^(a+)+$', '^(\\w+\\s?)*$', '^(\\/(?!\\.)[a-z./]+)+$'])(
    'would be found out when one is /%s/',
    (source) => {
      const { ended, output } = run([{ path: 'x.ts', source, flags: '' }], 1);
      expect([ended, output]).toEqual([false, `x.ts: /${source}/`]);
    },
  );
});
