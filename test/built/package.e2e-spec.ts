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
const TARBALL = join(ROOT, 'test/consumers/.packed/holdfast.tgz');
const SLOW_MS = 120_000;

const run = promisify(execFile);
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const manifest = JSON.parse(read('package.json')) as {
  repository: { url: string };
  homepage: string;
  bugs: { url: string };
  exports: Record<string, string | { types: string; default: string }>;
};

describe('the package', () => {
  let paths: string[] = [];

  beforeAll(async () => {
    const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: ROOT });
    const [packed] = Object.values(JSON.parse(stdout) as Record<string, { files: { path: string }[] }>);
    paths = packed!.files.map(({ path }) => path).sort();
  }, SLOW_MS);

  it('has what is built, the pages and the documents, and nothing else', () => {
    const built = paths.filter((path) => path.startsWith('dist/'));
    const sources = ts.sys
      .readDirectory(join(ROOT, 'src'), ['.ts'], ['**/*.spec.ts'])
      .map((path) => path.slice(ROOT.length + '/src/'.length, -'.ts'.length));
    const expected = sources.flatMap((name) => ['.d.ts', '.js', '.js.map'].map((kind) => `dist/${name}${kind}`));
    expect(built).toEqual(expected.sort());
    const rest = paths.filter((path) => !path.startsWith('dist/'));
    expect(
      rest.filter(
        (path) =>
          !/^(public\/\w+\.(css|html|js|svg)|docs\/[\w-]+\.md|docs\/images\/[\w/-]+\.(png|svg)|examples\/[\w-]+\.(ts|mjs))$/.test(
            path,
          ),
      ),
    ).toEqual(['CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json']);
    expect(rest).toContain('public/index.html');
  });

  it('says where it comes from, and where to report what is wrong', () => {
    const { repository, homepage, bugs } = manifest;
    const address = /^git\+(https:\/\/.+)\.git$/.exec(repository.url)![1]!;
    expect([homepage, bugs.url]).toEqual([`${address}#readme`, `${address}/issues`]);
  });

  it('has every file that its documents link to', () => {
    const broken = paths
      .filter((path) => path.endsWith('.md'))
      .flatMap((path) =>
        [...read(path).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
          .map(([, link]) => normalize(join(dirname(path), link!)))
          .filter((link) => !paths.includes(link))
          .map((link) => `${path}: ${link}`),
      );
    expect(broken).toEqual([]);
  });

  it('has the source in every map, and no map is missing', () => {
    for (const path of paths.filter((each) => each.endsWith('.js') && each.startsWith('dist/'))) {
      const name = /^\/\/# sourceMappingURL=(.+)$/m.exec(read(path))![1]!;
      const map = JSON.parse(read(join(dirname(path), name))) as { sources: string[]; sourcesContent?: string[] };
      expect([path, map.sourcesContent?.length]).toEqual([path, map.sources.length]);
    }
  });

  it('knows nothing of the machine that it was made on', () => {
    const root = ROOT.replaceAll('\\', '/');
    const told = paths.filter(
      (path) => /\/(home|root|Users|tmp)\/\w|[A-Z]:\\\\/.test(read(path)) || read(path).includes(root),
    );
    expect(told).toEqual([]);
  });

  it('pleases publint', async () => {
    const { messages } = await publint({
      pack: { tarball: readFileSync(TARBALL).buffer as ArrayBuffer },
    });
    const pkg = manifest as Record<string, unknown>;
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  it('has types that fit what runs, for modules, for what bundles them and for the resolution of old compilers', async () => {
    const attw = join(ROOT, 'tools/node_modules/@arethetypeswrong/cli/dist/index.js');
    const args = [
      attw,
      TARBALL,
      '--ignore-rules',
      'cjs-resolves-to-esm',
      '--format',
      'ascii',
      '--no-emoji',
      '--no-color',
    ];
    // It ends with an error when anything is wrong; CommonJS may require what is a module since Node 20.19.
    const { stdout } = await run(process.execPath, args, { cwd: ROOT, timeout: SLOW_MS });
    for (const entry of Object.keys(manifest.exports)) expect(stdout).toContain(entry.replace('.', 'holdfast'));
  }, 120_000);
});

/** Imports a module and tells what that changed in the process. */
const LOOK = `
  const asked = [];
  const env = process.env;
  process.env = new Proxy(env, {
    get(target, name) {
      // What a dependency asks of the environment is its own matter.
      const caller = new Error().stack.split('\\n')[2];
      if (caller.includes('/dist/') && !caller.includes('node_modules')) asked.push(String(name));
      return target[name];
    },
  });
  const look = () => [process.eventNames().map(String), process.getActiveResourcesInfo()];
  // Made when somebody looks whether they are a terminal.
  void [process.stdout, process.stderr];
  const before = look();
  await import(process.argv[1]);
  await new Promise((resolve) => setImmediate(resolve));
  const after = look();
  process.stdout.write(JSON.stringify({ before, after, asked }));
`;

describe('importing the package', () => {
  const entries = Object.entries(manifest.exports).filter(([, target]) => typeof target === 'object');

  it.each(entries.map(([entry]) => entry.replace('.', 'holdfast')))(
    '%s opens nothing, listens to nothing, asks for nothing and writes nothing',
    async (name) => {
      const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', LOOK, name], { cwd: ROOT });
      expect(stderr).toBe('');
      const { before, after, asked } = JSON.parse(stdout) as { before: unknown; after: unknown; asked: string[] };
      expect(after).toEqual(before);
      expect(asked).toEqual([]);
    },
  );
});

describe('the types of the package', () => {
  const entries = Object.values(manifest.exports)
    .filter((target) => typeof target === 'object')
    .map(({ types }) => join(ROOT, types));
  let program: ts.Program;

  beforeAll(() => {
    program = ts.createProgram(entries, {
      module: ts.ModuleKind.NodeNext,
      target: ts.ScriptTarget.ES2023,
      strict: true,
      types: ['node'],
    });
  }, SLOW_MS);

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

  it('have no any', () => {
    const found: string[] = [];
    for (const file of program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(join(ROOT, 'dist/')))) {
      const visit = (node: ts.Node): void => {
        if (node.kind === ts.SyntaxKind.AnyKeyword) found.push(`${file.fileName}: ${node.parent.getText()}`);
        ts.forEachChild(node, visit);
      };
      ts.forEachChild(file, visit);
    }
    expect(found).toEqual([]);
  });

  it('say of every option what it is unless given, and say it as it is', () => {
    const checker = program.getTypeChecker();
    const [index] = entries.filter((entry) => entry.endsWith('dist/index.d.ts'));
    const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(index!)!)!);
    const defaultsOf = (name: string) => {
      const type = checker.getDeclaredTypeOfSymbol(
        checker.getAliasedSymbol(exported.find((symbol) => symbol.name === name)!),
      );
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

  it('say of every export what it is', () => {
    const checker = program.getTypeChecker();
    const exported = entries.flatMap((entry) => {
      const file = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!;
      return checker
        .getExportsOfModule(file)
        .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol));
    });
    expect(exported.length).toBeGreaterThan(30);
    const silent = exported.filter((symbol) => symbol.getDocumentationComment(checker).length === 0);
    expect(silent.map(({ name }) => name)).toEqual([]);
  });
});
