import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

interface Manifest {
  readonly version: string;
  readonly engines: object;
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
}

const own = JSON.parse(read('package.json')) as Manifest;
const server = JSON.parse(read('server/package.json')) as Manifest;

const IMPORT = /(?:^(?:import|export) (?!type\b)[^'";]*?\bfrom |^import |\brequire\()'([^']+)'/gm;

/** The packages that a source file imports, with all that it imports itself. */
function packagesOf(entry: string): Set<string> {
  const packages = new Set<string>();
  const seen = new Set([join(ROOT, entry)]);
  for (const path of seen) {
    for (const [, name] of readFileSync(path, 'utf8').matchAll(IMPORT)) {
      if (name!.startsWith('.')) seen.add(resolve(dirname(path), name!.replace(/\.js$/, '.ts')));
      else if (!name!.startsWith('node:')) packages.add(/^(@[^/]+\/)?[^/]+/.exec(name!)![0]);
    }
  }
  return packages;
}

describe('the package holdfast-server', () => {
  it('is released with holdfast, for the same versions of Node and under the same licence', () => {
    expect(server.version).toBe(own.version);
    expect(server.dependencies['holdfast']).toBe(own.version);
    expect(server.engines).toEqual(own.engines);
    expect(read('server/LICENSE')).toBe(read('LICENSE'));
  });

  it('brings all that the server imports, and the drivers, in the versions that are tested here', () => {
    const imported = [...packagesOf('src/main.ts')].filter((name) => !Object.hasOwn(own.dependencies, name));
    expect(imported).toEqual(expect.arrayContaining(['@nestjs/platform-express', 'prom-client', 'typeorm', 'ws']));
    const { holdfast: _holdfast, ...others } = server.dependencies;
    expect(Object.keys(others)).toEqual(expect.arrayContaining([...imported, 'pg', 'sqlite3', 'bufferutil']));
    const required = Object.keys(own.peerDependencies).filter((name) => name !== 'better-sqlite3');
    expect(Object.keys(others)).toEqual(expect.arrayContaining(required));
    expect(own.devDependencies).toMatchObject(others);
  });
});

describe('the Dockerfile', () => {
  const steps = read('Dockerfile')
    .replaceAll(/\\\n/g, '')
    .split('\n')
    .filter((line) => /^[A-Z]/.test(line))
    .map((line) => /^(\w+) +(.*)$/.exec(line)!.slice(1) as [string, string]);
  const last = steps.slice(steps.findLastIndex(([verb]) => verb === 'FROM'));
  const indexOf = (wanted: string) => last.findIndex(([verb]) => verb === wanted);

  it('starts node itself, without a shell that would keep the signal', () => {
    expect(JSON.parse(last.at(-1)![1])).toEqual(['node', 'node_modules/.bin/holdfast-server']);
    expect(last.at(-1)![0]).toBe('CMD');
    expect(indexOf('ENTRYPOINT')).toBe(-1);
    expect(indexOf('STOPSIGNAL')).toBe(-1);
  });

  it('runs as a user without rights, whose is the folder of the data, which is a volume', () => {
    expect(last[indexOf('USER')]![1]).toBe('node');
    const made = last.findIndex(([, text]) => text === 'install -d -o node -g node /data');
    expect(made).toBeGreaterThan(0);
    // What is made before a volume is declared is in it, with its owner.
    expect(made).toBeLessThan(indexOf('VOLUME'));
    expect(last[indexOf('VOLUME')]![1]).toBe('/data');
    expect(last[indexOf('ENV')]![1]).toContain('DATABASE_URL=sqlite:/data/holdfast.sqlite');
  });

  it('builds with the compilers that a driver without a binary needs, and ships without them', () => {
    const images = steps.filter(([verb]) => verb === 'FROM').map(([, image]) => image);
    expect(images).toEqual([
      expect.stringMatching(/^node:(\d+)-bookworm AS build$/),
      expect.stringMatching(/^node:\d+-bookworm-slim$/),
    ]);
    const [first, second] = images.map((image) => /\d+/.exec(image)![0]);
    expect(second).toBe(first); // A compiled driver is for one version of Node.
  });

  it('copies what it builds from, and not what another machine has compiled', () => {
    const ignored = read('.dockerignore').trim().split('\n');
    expect(ignored).toEqual(expect.arrayContaining(['**/node_modules', '**/dist', '.git', 'data']));
    const needed = [
      'package.json',
      'package-lock.json',
      'nest-cli.json',
      'tsconfig.build.json',
      'src',
      'public',
      'server',
    ];
    expect(ignored.filter((pattern) => needed.includes(pattern))).toEqual([]);
  });
});
