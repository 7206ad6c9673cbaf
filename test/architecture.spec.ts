import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '..');
const SRC = join(ROOT, 'src');

/**
 * The rooms, from the top down, and which of those below each may import. Every room may also import `options` and
 * `protocol`.
 */
const ARROWS: Record<string, readonly string[]> = {
  main: ['server', 'process'],
  server: [
    'api-docs',
    'app.module',
    'admin',
    'authentication',
    'cluster',
    'config',
    'database',
    'gateway',
    'handshake',
    'observability',
    'process',
  ],
  index: [
    'chat',
    'admin',
    'authentication',
    'cluster',
    'gateway',
    'outgoing',
    'database',
    'connections',
    'offline-messages',
  ],
  testing: ['chat', 'database'],
  openapi: ['admin'],
  'api-docs': ['admin', 'observability'],
  'app.module': ['observability', 'admin', 'chat', 'config', 'database'],
  config: ['authentication', 'cluster', 'database'],
  chat: [
    'admin',
    'gateway',
    'handshake',
    'host-gateways',
    'authentication',
    'outgoing',
    'cluster',
    'delivery',
    'database',
    'connections',
    'record',
    'offline-messages',
    'nodes',
  ],
  admin: ['handshake', 'authentication', 'delivery', 'connections', 'record', 'offline-messages', 'nodes'],
  gateway: ['handshake', 'host-gateways', 'delivery', 'connections', 'record'],
  observability: ['handshake', 'delivery', 'connections', 'offline-messages', 'nodes'],
  handshake: ['authentication', 'connections', 'nodes'],
  'host-gateways': [],
  outgoing: ['delivery', 'database', 'offline-messages'],
  cluster: ['delivery', 'database', 'connections', 'record', 'offline-messages', 'nodes'],
  delivery: ['connections'],
  database: ['record', 'offline-messages'],
  connections: [],
  record: ['offline-messages'],
  'offline-messages': [],
  authentication: ['nodes'],
  nodes: [],
  options: [],
  process: [],
  protocol: [],
};
/** Files that a room below may import as well: the port that a room above owns and this one implements. */
const PORTS: Record<string, readonly string[]> = {
  'offline-messages': ['delivery/mailbox-store.ts'],
  record: ['delivery/mailbox-store.ts'],
};
const MAX_LINES = 300;
/** The folders of `test/` with specs; others hold installed packages. */
const TESTS = ['browser', 'built', 'cluster', 'crash', 'e2e'].map((folder) => `test/${folder}`);

interface Source {
  /** Path below `src/`. */
  readonly path: string;
  readonly text: string;
  /** What its import and export lines, and its dynamic imports, name. */
  readonly imports: readonly string[];
}

const IMPORT = /(?:^(?:import|export)\b[^'"`;]*?\bfrom\s*|^import\s*|\bimport\(\s*|\brequire\(\s*)['"]([^'"]+)['"]/gm;

const sources: readonly Source[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.spec.ts'))
  .map((path) => {
    const text = readFileSync(join(SRC, path), 'utf8');
    return { path, text, imports: [...text.matchAll(IMPORT)].map((match) => match[1]!) };
  });

/** A room is a folder of `src/`, or a file beside them. */
function roomOf(path: string): string {
  return path.includes('/') ? path.split('/')[0]! : path.replace(/\.(ts|js)$/, '');
}

/** The file below `src/` that a file imports by this name. */
function fileImported({ path }: Source, name: string): string {
  return relative(SRC, resolve(SRC, dirname(path), name)).replace(/\.js$/, '.ts');
}

/** The room that a file imports by this name; null for a package. */
function roomImported({ path }: Source, name: string): string | null {
  if (!name.startsWith('.')) return null;
  return roomOf(relative(SRC, resolve(SRC, dirname(path), name)));
}

/** The groups of files of which each reaches all others of the group by its imports, types included. */
function importCycles(): string[][] {
  const direct = new Map(
    sources.map(({ path, imports }) => [
      path,
      imports.filter((name) => name.startsWith('.')).map((name) => join(dirname(path), name).replace(/\.js$/, '.ts')),
    ]),
  );
  const reached = (path: string): Set<string> => {
    const seen = new Set(direct.get(path));
    for (const next of seen) for (const further of direct.get(next) ?? []) seen.add(further);
    return seen;
  };
  const reach = new Map([...direct.keys()].map((path) => [path, reached(path)]));
  const groups = [...reach]
    .filter(([path, all]) => all.has(path))
    .map(([path, all]) =>
      [...all]
        .filter((other) => reach.get(other)?.has(path))
        .sort()
        .join('\n'),
    );
  return [...new Set(groups)].sort().map((group) => group.split('\n'));
}

const COMMENT = /\/\*[^]*?\*\/|(?<![:'"`])\/\/.*$/gm;
const STRING = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g;

/** The comments of a file, each in one line. */
function commentsOf(text: string): string[] {
  return [...text.matchAll(COMMENT)].map(([comment]) => comment.replaceAll(/\s+(?:\* )?/g, ' '));
}

/** The words of its code: what is neither a comment nor a string. */
function namesIn(text: string): string[] {
  return [
    ...new Set(
      text
        .replaceAll(COMMENT, '')
        .replaceAll(STRING, '')
        .match(/[A-Za-z_$][\w$]*/g),
    ),
  ];
}

/** Everything that breaks a rule, as lines that say where. */
const complaints = (complain: (source: Source) => string[]) =>
  sources.flatMap((source) => complain(source).map((complaint) => `${source.path}: ${complaint}`));

describe('the source', () => {
  it('is read: every room has files, and imports are found', () => {
    expect([...new Set(sources.map(({ path }) => roomOf(path)))].sort()).toEqual(Object.keys(ARROWS).sort());
    expect(sources.find(({ path }) => path === 'main.ts')!.imports).toEqual([
      'reflect-metadata',
      '@nestjs/common',
      'node:module',
      './process/log-streams.js',
      './process/signals.js',
      './server.js',
      './server.js', // Its type.
    ]);
    const missed = complaints(({ text, imports }) =>
      [...text.matchAll(/\bfrom '([^']+)';$/gm)].map((match) => match[1]!).filter((name) => !imports.includes(name)),
    );
    expect(missed).toEqual([]);
  });

  it('imports only from the rooms below', () => {
    const wrong = complaints((source) => {
      const room = roomOf(source.path);
      const own = [room, 'protocol', ...(room === 'protocol' ? [] : ['options']), ...ARROWS[room]!];
      return source.imports.filter((name) => {
        const imported = roomImported(source, name);
        return imported !== null && !own.includes(imported) && !PORTS[room]?.includes(fileImported(source, name));
      });
    });
    expect(wrong).toEqual([]);
  });

  it('has arrows that point down only, so that no two rooms need each other', () => {
    const order = Object.keys(ARROWS);
    for (const [room, below] of Object.entries(ARROWS)) {
      for (const lower of below) expect([room, lower, order.indexOf(lower)]).toEqual([room, lower, expect.any(Number)]);
      expect(below.filter((lower) => order.indexOf(lower) <= order.indexOf(room))).toEqual([]);
    }
  });

  it('has its rooms in the table of CONTRIBUTING.md, each below those that it imports', () => {
    const table = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8').matchAll(/^\| (`src\/.*?) +\|/gm);
    const rows = [...table].map(([, cell]) => [...cell!.matchAll(/`src\/(.+?)(?:\.ts)?`/g)].map(([, room]) => room!));
    expect(rows.flat().toSorted()).toEqual(Object.keys(ARROWS).toSorted());
    const rowOf = (room: string) => rows.findIndex((rooms) => rooms.includes(room));
    const upwards = Object.entries(ARROWS).flatMap(([room, below]) =>
      below.filter((lower) => rowOf(lower) > rowOf(room)).map((lower) => `${room} imports ${lower}`),
    );
    expect(upwards).toEqual([]);
  });

  it('has no files that import each other, not even as types', () => {
    expect(importCycles()).toEqual([]);
  });

  it('never imports from outside itself: not the command line of TypeORM, not the tests', () => {
    const outside = complaints((source) =>
      source.imports.filter((name) => name.startsWith('/') || roomImported(source, name)?.startsWith('..')),
    );
    expect(outside).toEqual([]);
  });

  it('keeps a driver of a database and the protocol of WebSockets where they belong', () => {
    const homes: [RegExp, readonly string[]][] = [
      [/^(sqlite3|better-sqlite3|pg|mysql2?)(\/|$)/, ['database']],
      [/^ioredis(\/|$)/, ['cluster']],
      [/^jose(\/|$)/, ['authentication']],
      [/^(typeorm|@nestjs\/typeorm)(\/|$)/, ['database', 'record', 'offline-messages', 'outgoing', 'chat', 'cluster']],
      [
        /^(ws|@nestjs\/(websockets|platform-ws))(\/|$)/,
        ['gateway', 'handshake', 'host-gateways', 'connections', 'chat', 'testing'],
      ],
    ];
    const strays = complaints(({ path, imports }) =>
      imports.filter((name) => homes.some(([module, rooms]) => module.test(name) && !rooms.includes(roomOf(path)))),
    );
    expect(strays).toEqual([]);
  });

  it.each(['index.ts', 'testing/index.ts', 'openapi.ts'])(
    'has in %s a door that needs no package which an application may do without',
    (door) => {
      const { dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(
        readFileSync(join(ROOT, 'package.json'), 'utf8'),
      ) as Record<'dependencies' | 'peerDependencies' | 'peerDependenciesMeta', object>;
      const there = [...Object.keys(dependencies), ...Object.keys(peerDependencies)].filter(
        (name) => !Object.hasOwn(peerDependenciesMeta, name),
      );
      const missing: string[] = [];
      const seen = new Set([door]);
      for (const path of seen) {
        const { text } = sources.find((source) => source.path === path)!;
        // What is imported as a type is gone when it runs.
        for (const [line, name] of text.matchAll(IMPORT)) {
          if (/^(import|export) type\b/.test(line) || name!.startsWith('node:')) continue;
          if (name!.startsWith('.')) seen.add(join(dirname(path), name!).replace(/\.js$/, '.ts'));
          else if (!there.some((known) => name === known || name!.startsWith(`${known}/`)))
            missing.push(`${path}: ${name}`);
        }
      }
      expect(missing).toEqual([]);
      expect(seen.size).toBeGreaterThan(1);
    },
  );

  it('keeps the protocol free of Nest and of input and output', () => {
    const protocol = sources.filter(({ path }) => roomOf(path) === 'protocol');
    expect(protocol.flatMap(({ imports }) => imports).filter((name) => !name.startsWith('./'))).toEqual([]);
  });

  it(`has no file of more than ${MAX_LINES} lines`, () => {
    const long = complaints(({ text }) => {
      const lines = text.trimEnd().split('\n').length;
      return lines > MAX_LINES ? [`${lines} lines`] : [];
    });
    expect(long).toEqual([]);
  });

  it('logs through Nest only, and leaves nothing to do or to explain away', () => {
    const found = complaints(({ text }) =>
      [/\bconsole\s*\./, /\bTODO\b|\bFIXME\b/, /@ts-(ignore|nocheck)/, /\bforwardRef\b/, /: any\b|\bas any\b/]
        .filter((pattern) => pattern.test(text))
        .map(String),
    );
    expect(found).toEqual([]);
  });

  it('has names of the glossary in CONTRIBUTING.md, and none of those that it replaced', () => {
    const old =
      /^(pace|mend)$|surroundings|entrance|admission|tall(y|ies)|choked|sayGoodbye|distrust|doubtful|dispatch|rememberedAnswer|takenLive|mergedRead|connectionKeeper/i;
    expect(namesIn('/** Tally */ const choked = "entrance"; // mend').filter((name) => old.test(name))).toEqual([
      'choked',
    ]);
    const named = complaints(({ text }) => namesIn(text).filter((name) => old.test(name)));
    expect([...named, ...sources.map(({ path }) => path).filter((path) => old.test(path))]).toEqual([]);
  });

  it('says "returns" of a function, and "answers" of a person or a peer only', () => {
    const old = /\bAnswers\b|[;,] (?:and )?answers\b|\banswers? (?:whether|how|what|which|true|false|null|undefined)\b/;
    const found = complaints(({ text }) => commentsOf(text).filter((comment) => old.test(comment)));
    expect(found).toEqual([]);
  });
});

describe('the tests', () => {
  it('assert nowhere how long something took, as a machine with other work takes any time', () => {
    const specs = ['src', 'page', 'client/test', ...TESTS].flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
        .filter((path) => /spec\.tsx?$/.test(path))
        .map((path) => join(folder, path)),
    );
    const clock =
      /(?:performance\.now\(\)[^;]*|\b(?:ms|\w+Ms|delay\b[^;]*))\)\s*\.toBeLess|monitorEventLoopDelay|eventLoopUtilization/;
    expect('expect(performance.now() - askedAt).toBeLessThan(5_000);').toMatch(clock);
    expect('expect(tookMs).toBeLessThanOrEqual(5_000);').toMatch(clock);
    expect(specs.length).toBeGreaterThan(200);
    expect(specs.filter((path) => clock.test(readFileSync(join(ROOT, path), 'utf8')))).toEqual([]);
  });
});
