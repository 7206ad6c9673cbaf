import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { HELD_MOVES } from '../src/delivery/held-message.js';
import { READER_MOVES } from '../src/delivery/mailbox-reader.js';
import { OWN_VARIABLES } from '../src/config/environment.js';
import { VARIABLES } from '../src/config/variables.js';
import { COUNTERS, GAUGES } from '../src/observability/cluster-metrics.js';
import { nextPhase, type QueueEvent, type QueuePhase } from '../src/offline-messages/queue-phase.js';
import { CLOSE_CODES, BROKEN_FRAME, CloseCode, FRAME_ERRORS } from '../src/protocol/close-code.js';

describe('docs/errors.md', () => {
  it('is written from a table that has every close code and no other', () => {
    const known = new Set([...Object.values(CloseCode), BROKEN_FRAME, ...Object.values(FRAME_ERRORS)]);
    expect(Object.keys(CLOSE_CODES).map(Number)).toEqual([...known].toSorted((a, b) => a - b));
  });
});

describe('docs/api.md', () => {
  const api = readFileSync(join(import.meta.dirname, '../docs/api.md'), 'utf8');

  it.each([
    'take(count: number): Promise<string[]>',
    'code: ErrorCode',
    'new HandshakeRefusal(',
    'expectClose(code: number): Promise<Closed>',
    '[detail: string]: unknown`: Anything else',
  ])('has members that need no comment, those of a constructor, and those without a name: %s', (member) => {
    expect(api).toContain(`- \`${member}`);
  });
});

describe('docs/embedding.md', () => {
  const embedding = readFileSync(join(import.meta.dirname, '../docs/embedding.md'), 'utf8');
  const blocks = [...embedding.matchAll(/^```(?:ts|js)\n(.*?)^```/gms)].map(([, block]) => block!.trim());
  // The same lines, wherever they stand in a file.
  const flat = (text: string) => text.replaceAll(/^ +/gm, '');

  it.each([
    ['the push notifications', 'class PushNotifications', 'examples/push.ts'],
    ['the test of an AppModule', 'keeps what comes while Bob is away', 'test/consumers/starter/test/chat.e2e-spec.ts'],
    ['the configuration of jest', 'transformIgnorePatterns', 'test/consumers/nest-11-commonjs/jest.config.cjs'],
  ])('has %s as they run', (_what, mark, path) => {
    const [block, ...others] = blocks.filter((each) => each.includes(mark));
    expect([block !== undefined, others]).toEqual([true, []]);
    expect(flat(readFileSync(join(import.meta.dirname, '..', path), 'utf8'))).toContain(flat(block!));
  });
});

describe('docs/recipes.md', () => {
  const blocksOf = (text: string) => [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, block]) => block!.trim());
  const flat = (text: string) => text.replaceAll(/^ +/gm, '');
  const read = (path: string) => readFileSync(join(import.meta.dirname, '..', path), 'utf8');

  it('has every recipe as it runs in a test', () => {
    const tested = flat(read('test/e2e/hosts/recipes.e2e-spec.ts'));
    const blocks = blocksOf(read('docs/recipes.md'));
    expect(blocks).toHaveLength(tested.match(/^it\(/gm)!.length);
    expect(blocks.filter((block) => !tested.includes(flat(block)))).toEqual([]);
  });
});

describe('client/README.md', () => {
  const client = join(import.meta.dirname, '../client');
  const readme = readFileSync(join(client, 'README.md'), 'utf8');
  const read = (path: string) => readFileSync(join(client, path), 'utf8');

  /** The first cells of the table below this heading. */
  function rowsOf(heading: string): string[] {
    const section = readme.split(/^## /m).find((text) => text.startsWith(`${heading}\n`))!;
    return [...section.matchAll(/^\| `(\w+)/gm)].map(([, name]) => name!);
  }

  it.each([
    ['Options', 'ClientOptions'],
    ['Events', 'ClientEvents'],
  ])('has all of them in the table of %s, in the order of %s', (heading, type) => {
    const declared = new RegExp(`^export interface ${type} {\n(.*?)^}`, 'ms').exec(read('src/api.ts'))![1]!;
    expect(rowsOf(heading)).toEqual([...declared.matchAll(/^  (?:readonly )?(\w+)\??:/gm)].map(([, name]) => name));
  });

  it('has all that a client of the record has', () => {
    const declared = /^export interface RecordClient .*?{\n(.*?)^}/ms.exec(read('src/record/record-api.ts'))![1]!;
    const members = [...declared.matchAll(/^  (?:readonly )?(\w+)[(:]/gm)].map(([, name]) => name!);
    const told = [...rowsOf('The record'), 'hasMoreConversations'];
    expect(told.toSorted()).toEqual(members.toSorted());
    const hooks = [...read('src/record/react.ts').matchAll(/^export function (use\w+)/gm)].map(([, name]) => name!);
    for (const hook of hooks) expect(readme).toContain(`\`${hook}(`);
  });

  it('has every hook', () => {
    const hooks = [...read('src/react.ts').matchAll(/^export function (use\w+)/gm)].map(([, name]) => name!);
    expect(rowsOf('In React').toSorted()).toEqual(hooks.toSorted());
  });
});

describe('docs/cluster.md and compose.yaml', () => {
  const root = join(import.meta.dirname, '..');
  const read = (path: string) => readFileSync(join(root, path), 'utf8');
  const texts = ['docs/cluster.md', 'compose.yaml'].map(read);

  it('name variables that the server knows', () => {
    const known = [...VARIABLES.values(), ...OWN_VARIABLES];
    const named = texts.flatMap((text) => text.match(/\bCHAT_[A-Z_]+/g)!);
    expect(named.filter((name) => !known.includes(name))).toEqual([]);
  });

  it('name every metric of a cluster, and no other', () => {
    const named = new Set([...texts[0]!.matchAll(/`holdfast_cluster_(\w+)`/g)].map(([, name]) => name!));
    const shown = [...GAUGES, ...COUNTERS].map(([name]) => name);
    expect([...named].toSorted()).toEqual([...shown, 'packets_refused_total'].toSorted());
  });
});

describe('docs/internals.md', () => {
  const root = join(import.meta.dirname, '..');
  const internals = readFileSync(join(root, 'docs/internals.md'), 'utf8');
  const named = [...internals.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code!);
  const sources = ['src', 'client/src'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !path.endsWith('.spec.ts'))
      .map((path) => readFileSync(join(root, folder, path), 'utf8')),
  );

  const isInCode = (pattern: string) => sources.some((source) => new RegExp(pattern, 'm').test(source));

  /** Whether a file declares this class or interface, with this member. */
  function isDeclared(name: string, member: string): boolean {
    const owner = new RegExp(`^(?:export )?(?:class|interface) ${name}\\b.*?^}`, 'ms');
    const line = new RegExp(
      `^  (?:(?:private|protected|static|override|readonly|async|get) )*${member}\\b[^;]*[({:=]`,
      'm',
    );
    return sources.some((source) => line.test(owner.exec(source)?.[0] ?? ''));
  }

  it('names files, methods, functions and types that are there', () => {
    const isThere = (code: string): boolean | null => {
      if (code.startsWith('src/')) return existsSync(join(root, code));
      const [, owner, member, called, type] = /^(?:([A-Z]\w+)\.(\w+)|(\w+)\(\)|([A-Z][a-z]\w+))$/.exec(code) ?? [];
      if (member) return isDeclared(owner!, member);
      if (called) return isInCode(`^export (?:async )?function ${called}\\b`);
      return type ? isInCode(`^(?:export )?(?:abstract )?(?:class|interface|type) ${type}\\b`) : null; // Other code is a value.
    };
    expect(named.filter((code) => isThere(code) === false)).toEqual([]);
    expect(named.filter(isThere).length).toBeGreaterThan(50);
  });

  it('has the states and phases of the code, and where each leads', () => {
    const ofServer: QueueEvent[] = ['asked', 'done', 'failed', 'failed-empty', 'pause-over', 'close'];
    const events: QueueEvent[] = [...ofServer, 'fenced', 'joined'];
    const phases: QueuePhase[] = ['idle', 'committing', 'pausing', 'resting', 'closing', 'closed', 'outside'];
    const led = (phase: QueuePhase) =>
      new Set(events.map((event) => nextPhase(phase, event)).filter((next) => next !== phase));
    const tables = [HELD_MOVES, READER_MOVES, Object.fromEntries(phases.map((phase) => [phase, [...led(phase)]]))];
    const rows = [...internals.matchAll(/^\| `([\w-]+)` +\|[^|]*\|([^|]*)\|$/gm)];
    const shown = rows.map(([, state, next]) => [
      state,
      new Set([...next!.matchAll(/`([\w-]+)`/g)].map(([, name]) => name)),
    ]);
    expect(shown).toEqual(
      tables.flatMap((table) => Object.entries(table).map(([state, next]) => [state, new Set<string>(next)])),
    );
  });
});

describe('the pages', () => {
  const root = join(import.meta.dirname, '..');
  const names = ['.', 'docs', 'client'].flatMap(pagesIn);
  const pages = new Map(names.map((name) => [name, prose(readFileSync(join(root, name), 'utf8'))]));

  function pagesIn(folder: string): string[] {
    return readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name));
  }

  /** Without blocks of code: what they hold is not Markdown. */
  function prose(text: string): string {
    return text.replaceAll(/^```.*?^```/gms, '');
  }

  /** The addresses of its headings, as GitHub makes them. */
  function anchorsOf(name: string): string[] {
    const headings = [...(pages.get(name) ?? '').matchAll(/^#+ (.+)$/gm)].map(([, text]) => text!.toLowerCase());
    return headings.map((text) => text.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'));
  }

  /** Links to a file, or to a heading, that is not there. */
  function deadLinksOf(name: string): string[] {
    const links = [...pages.get(name)!.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, link]) => link!);
    return links.filter((link) => {
      const [path, anchor] = link.split('#');
      const target = path ? relative(root, join(root, dirname(name), path)) : name;
      if (!pages.has(target)) return anchor !== undefined || !existsSync(join(root, target));
      return anchor !== undefined && !anchorsOf(target).includes(anchor);
    });
  }

  /**
   * Rows that are shown as text: those behind a blank line, without a line below the head, or with other cells than it.
   */
  function brokenRowsOf(name: string): string[] {
    const cells = (row: string) => row.split(/(?<!\\)\|/).length;
    const tables = [...pages.get(name)!.matchAll(/(?:^ *\|.*(?:\n|$))+/gm)].map(([table]) => table.trim().split('\n'));
    return tables.flatMap((rows) =>
      /^[|: -]+$/.test(rows[1] ?? '') ? rows.filter((row) => cells(row) !== cells(rows[0]!)) : rows,
    );
  }

  it.each(names)('%s links to files and headings that are there', (name) => {
    expect(deadLinksOf(name)).toEqual([]);
  });

  it.each(names)('%s shows its tables as tables', (name) => {
    expect(brokenRowsOf(name)).toEqual([]);
  });

  it('are all in the index of docs/', () => {
    const index = pages.get(join('docs', 'README.md'))!;
    const listed = [...index.matchAll(/^- \[([\w-]+\.md)\]\(\1\)/gm)].map(([, name]) => join('docs', name!));
    expect(listed.toSorted()).toEqual(
      pagesIn('docs')
        .filter((name) => name !== join('docs', 'README.md'))
        .toSorted(),
    );
  });
});
