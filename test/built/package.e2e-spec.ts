import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { promisify } from 'node:util';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import ts from 'typescript';
import { AuthenticationOptions } from '../../src/index.js';
import { resolveChatOptions } from '../../src/options/chat.options.js';

const ROOT = join(import.meta.dirname, '../..');
const SLOW_MS = 120_000;

const run = promisify(execFile);

interface Manifest {
  readonly repository: { readonly url: string };
  readonly homepage: string;
  readonly bugs: { readonly url: string };
  readonly exports: Readonly<Record<string, string | { readonly types: string }>>;
}

/** A package of this repository. */
class Package {
  readonly manifest: Manifest;
  private packed: Promise<string[]> | null = null;
  private checked: ts.Program | null = null;

  constructor(
    readonly name: string,
    readonly folder: string,
    /** Where what is built has the root of its sources. */
    readonly sources: string,
  ) {
    this.manifest = JSON.parse(this.read('package.json')) as Manifest;
  }

  get tarball(): string {
    return join(ROOT, `test/consumers/.packed/${this.name}.tgz`);
  }

  /** Its doors, as who imports them names them. */
  get doors(): string[] {
    return Object.entries(this.manifest.exports)
      .filter(([, target]) => typeof target === 'object')
      .map(([door]) => door.replace('.', this.name));
  }

  /** The types of its doors. */
  get types(): string[] {
    return Object.values(this.manifest.exports)
      .filter((target) => typeof target === 'object')
      .map(({ types }) => join(this.folder, types));
  }

  read(path: string): string {
    return readFileSync(join(this.folder, path), 'utf8');
  }

  /** The types of its doors and all that they import. */
  get program(): ts.Program {
    return (this.checked ??= programOf(this.types));
  }

  /** What a tarball of it has. */
  paths(): Promise<string[]> {
    return (this.packed ??= this.pack());
  }

  private async pack(): Promise<string[]> {
    const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: this.folder });
    const [packed] = Object.values(JSON.parse(stdout) as Record<string, { files: { path: string }[] }>);
    return packed!.files.map(({ path }) => path).sort();
  }

  /** What a build makes of its sources. */
  built(): string[] {
    const own = ts.sys.readDirectory(join(this.folder, 'src'), ['.ts'], ['**/*.spec.ts']);
    // The one file that the client shares with the server.
    const shared = this.folder === ROOT ? [] : [join(ROOT, 'src/protocol/wire.ts')];
    const names = [...own, ...shared].map((path) => path.slice(this.sources.length + 1, -'.ts'.length));
    return names.flatMap((name) => ['.d.ts', '.js', '.js.map'].map((kind) => `dist/${name}${kind}`)).sort();
  }
}

const SERVER = new Package('holdfast', ROOT, join(ROOT, 'src'));
const CLIENT = new Package('holdfast-client', join(ROOT, 'client'), ROOT);

describe.each([SERVER, CLIENT])('the package $name', (pack) => {
  let paths: string[] = [];

  beforeAll(async () => {
    paths = await pack.paths();
  }, SLOW_MS);

  it('has what is built, and nothing that is built is missing', () => {
    expect(paths.filter((path) => path.startsWith('dist/'))).toEqual(pack.built());
  });

  it('says where it comes from, and where to report what is wrong', () => {
    const { repository, homepage, bugs } = pack.manifest;
    const address = /^git\+(https:\/\/.+)\.git$/.exec(repository.url)![1]!;
    expect([homepage, bugs.url]).toEqual([`${address}#readme`, `${address}/issues`]);
  });

  it('has every file that its documents link to', () => {
    const broken = paths
      .filter((path) => path.endsWith('.md'))
      .flatMap((path) =>
        [...pack.read(path).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
          .map(([, link]) => normalize(join(dirname(path), link!)))
          .filter((link) => !paths.includes(link))
          .map((link) => `${path}: ${link}`),
      );
    expect(broken).toEqual([]);
  });

  it('has the source in every map, and no map is missing', () => {
    for (const path of paths.filter((each) => each.endsWith('.js') && each.startsWith('dist/'))) {
      const name = /^\/\/# sourceMappingURL=(.+)$/m.exec(pack.read(path))![1]!;
      const map = JSON.parse(pack.read(join(dirname(path), name))) as { sources: string[]; sourcesContent?: string[] };
      expect([path, map.sourcesContent?.length]).toEqual([path, map.sources.length]);
    }
  });

  it('knows nothing of the machine that it was made on', () => {
    const root = ROOT.replaceAll('\\', '/');
    const told = paths.filter(
      (path) => /\/(home|root|Users|tmp)\/\w|[A-Z]:\\\\/.test(pack.read(path)) || pack.read(path).includes(root),
    );
    expect(told).toEqual([]);
  });

  it('pleases publint', async () => {
    const { messages } = await publint({
      pack: { tarball: readFileSync(pack.tarball).buffer as ArrayBuffer },
    });
    const manifest = pack.manifest as unknown as Record<string, unknown>;
    expect(messages.map((message) => formatMessage(message, manifest))).toEqual([]);
  });

  it('has types that fit what runs, for modules, for what bundles them and for the resolution of old compilers', async () => {
    const attw = join(ROOT, 'tools/node_modules/@arethetypeswrong/cli/dist/index.js');
    const args = [
      attw,
      pack.tarball,
      '--ignore-rules',
      'cjs-resolves-to-esm',
      '--format',
      'ascii',
      '--no-emoji',
      '--no-color',
    ];
    // It ends with an error when anything is wrong; CommonJS may require what is a module since Node 20.19.
    const { stdout } = await run(process.execPath, args, { cwd: ROOT, timeout: SLOW_MS });
    for (const door of pack.doors) expect(stdout).toContain(door);
  });

  it('has types without any, and says of every export what it is', () => {
    const { program } = pack;
    expect(anyIn(program, join(pack.folder, 'dist/'))).toEqual([]);
    const checker = program.getTypeChecker();
    const exported = pack.types.flatMap((path) => exportsOf(program, path));
    expect(exported.length).toBeGreaterThan(20);
    const silent = exported.filter((symbol) => symbol.getDocumentationComment(checker).length === 0);
    expect(silent.map(({ name }) => name)).toEqual([]);
  });
});

describe('the tarball of Holdfast', () => {
  it('has the pages, the documents and the examples, and nothing else beside what is built', async () => {
    const paths = (await SERVER.paths()).filter((path) => !path.startsWith('dist/'));
    expect(
      paths.filter(
        (path) =>
          !/^(public\/[\w-]+\.(css|html|svg)|public\/app\/[\w/-]+\.js|docs\/[\w-]+\.md|docs\/images\/[\w/-]+\.(png|svg)|examples\/[\w-]+\.(ts|mjs))$/.test(
            path,
          ),
      ),
    ).toEqual([
      'CHANGELOG.md',
      'CONTRIBUTING.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'client/README.md',
      'package.json',
      'server/README.md',
    ]);
    expect(paths).toContain('public/index.html');
  });

  it('has every module that the page imports, and no other', async () => {
    const paths = await SERVER.paths();
    const imported = new Set<string>();
    const follow = (path: string): void => {
      if (imported.has(path)) return;
      imported.add(path);
      for (const [, name] of SERVER.read(path).matchAll(/^(?:import|export) (?:[^'"]*? from )?'(\.[^']+)';$/gm)) {
        follow(normalize(join(dirname(path), name!)));
      }
    };
    follow('public/app/page/main.js');
    const modules = paths.filter((path) => path.startsWith('public/app/'));
    // A module that has only types is built, and nobody imports it.
    const empty = modules.filter(
      (path) =>
        SERVER.read(path)
          .replace(/^\s*(\/\*.*?\*\/|\/\/[^\n]*|export \{\};)\s*$/gms, '')
          .trim() === '',
    );
    expect(modules.filter((path) => !empty.includes(path)).toSorted()).toEqual([...imported].toSorted());
  });
});

describe('the tarball of the client', () => {
  it('has its README and the licence of Holdfast beside what is built, and nothing else', async () => {
    const paths = (await CLIENT.paths()).filter((path) => !path.startsWith('dist/'));
    expect(paths).toEqual(['LICENSE', 'README.md', 'package.json']);
    expect(CLIENT.read('LICENSE')).toBe(SERVER.read('LICENSE'));
  });
});

function programOf(paths: string[]): ts.Program {
  return ts.createProgram(paths, {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    strict: true,
    types: ['node'],
  });
}

function exportsOf(program: ts.Program, path: string): ts.Symbol[] {
  const checker = program.getTypeChecker();
  return checker
    .getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(path)!)!)
    .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol));
}

/** Where files of this folder have the type `any`. */
function anyIn(program: ts.Program, folder: string): string[] {
  const found: string[] = [];
  for (const file of program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(folder))) {
    const visit = (node: ts.Node): void => {
      if (node.kind === ts.SyntaxKind.AnyKeyword) found.push(`${file.fileName}: ${node.parent.getText()}`);
      ts.forEachChild(node, visit);
    };
    ts.forEachChild(file, visit);
  }
  return found;
}

/** Imports a module and tells what that changed in the process, and what it asked the environment or a browser for. */
const LOOK = `
  const asked = [];
  const note = (name) => {
    // What a dependency asks for is its own matter.
    const caller = new Error().stack.split('\\n')[3];
    if (caller.includes('/dist/') && !caller.includes('node_modules')) asked.push(String(name));
  };
  const env = process.env;
  process.env = new Proxy(env, {
    get(target, name) {
      note(name);
      return target[name];
    },
  });
  for (const name of JSON.parse(process.argv[2])) {
    const own = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, {
      configurable: true,
      get() {
        note(name);
        return own?.get ? own.get.call(globalThis) : own?.value;
      },
    });
  }
  const look = () => [process.eventNames().map(String), process.getActiveResourcesInfo()];
  // Made when somebody looks whether they are a terminal.
  void [process.stdout, process.stderr];
  const before = look();
  await import(process.argv[1]);
  await new Promise((resolve) => setImmediate(resolve));
  const after = look();
  process.stdout.write(JSON.stringify({ before, after, asked }));
`;

/** What a page has and a server that renders it has not, or not in the same way. */
const OF_BROWSERS = 'window document location navigator indexedDB localStorage WebSocket BroadcastChannel fetch crypto';

describe.each([
  { name: SERVER.name, pack: SERVER, globals: [] },
  { name: CLIENT.name, pack: CLIENT, globals: OF_BROWSERS.split(' ') },
])('importing $name', ({ pack: { doors, folder }, globals }) => {
  it.each(doors)('%s opens nothing, listens to nothing, asks for nothing and writes nothing', async (name) => {
    const { stdout, stderr } = await run(
      process.execPath,
      ['--input-type=module', '-e', LOOK, name, JSON.stringify(globals)],
      {
        cwd: folder,
      },
    );
    expect(stderr).toBe('');
    const { before, after, asked } = JSON.parse(stdout) as { before: unknown; after: unknown; asked: string[] };
    expect(after).toEqual(before);
    expect(asked).toEqual([]);
  });
});

describe('the types of the packages', () => {
  it.each(['tsconfig.json', 'tsconfig.bundler.json'])(
    'allow and refuse what test/types says: %s',
    async (config) => {
      const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
      const failed = (error: unknown) => error as { stdout: string };
      const { stdout } = await run(process.execPath, [tsc, '-p', join(ROOT, 'test/types', config)]).catch(failed);
      expect(stdout).toBe('');
    },
    SLOW_MS,
  );

  it('say of every option what it is unless given, and say it as it is', () => {
    const index = join(ROOT, 'dist/index.d.ts');
    const { program } = SERVER;
    const checker = program.getTypeChecker();
    const exported = exportsOf(program, index);
    const defaultsOf = (name: string) => {
      const type = checker.getDeclaredTypeOfSymbol(exported.find((symbol) => symbol.name === name)!);
      const tags = (property: ts.Symbol) => property.getJsDocTags(checker).filter((tag) => tag.name === 'default');
      return Object.fromEntries(
        checker.getPropertiesOfType(type).map((each) => [each.name, tags(each)[0]?.text?.[0]?.text]),
      );
    };
    const said = { ...defaultsOf('ChatModuleOptions'), ...defaultsOf('ChatModuleExtras') };
    expect(Object.entries(said).filter(([, text]) => !text)).toEqual([]);
    const written = (value: unknown) =>
      typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? 'undefined');
    const described = ['clock', 'maxConnections', 'authenticate']; // Their values can't be written down.
    const defaults = [...Object.entries(resolveChatOptions()), ...Object.entries(new AuthenticationOptions())];
    for (const [name, value] of defaults.filter(([each]) => !described.includes(each))) {
      expect([name, said[name]!.replaceAll(/(\d)_/g, '$1')]).toEqual([name, written(value)]);
    }
    expect(said).toMatchObject({ path: "'/chat'", isGlobal: 'false', authenticate: 'trusted' });
  });
});
