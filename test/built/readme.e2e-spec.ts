import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify, stripVTControlCharacters } from 'node:util';
import { withDeadline } from '../support/deadline.js';

const ROOT = join(import.meta.dirname, '../..');
const run = promisify(execFile);

/** The lines after `$ ` in the README's console blocks, with what follows each. */
function commandsOfReadme(): { command: string; output: string }[] {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  return [...readme.matchAll(/^```console\n(.*?)^```/gms)].flatMap(([, block]) =>
    block!
      .split(/^\$ /m)
      .slice(1)
      .map((text) => ({ command: text.split('\n', 1)[0]!, output: text.slice(text.indexOf('\n') + 1) })),
  );
}

describe('the README', () => {
  // A copy, as `npm start` builds: other tests run what is in dist/ meanwhile.
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-readme-'));
  beforeAll(() => {
    for (const name of [
      'package.json',
      'nest-cli.json',
      'tsconfig.json',
      'tsconfig.build.json',
      'src',
      'page',
      'client/package.json',
      'client/package-lock.json',
      'client/tsconfig.json',
      'client/tsconfig.build.json',
      'client/src',
      'public',
      'scripts',
    ]) {
      cpSync(join(ROOT, name), join(folder, name), { recursive: true });
    }
    for (const name of ['node_modules', 'client/node_modules']) symlinkSync(join(ROOT, name), join(folder, name));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('installs what an application of test/consumers has, which starts with its lines', () => {
    const [install] = commandsOfReadme();
    const [npm, verb, tarball, ...packages] = install!.command.split(' ');
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect([npm, verb, tarball]).toEqual(['npm', 'install', `./holdfast-${version}.tgz`]);
    const { dependencies } = JSON.parse(
      readFileSync(join(ROOT, 'test/consumers/nest-12-express/package.json'), 'utf8'),
    ) as { dependencies: Record<string, string> };
    const names = packages.map((name) => name.replace(/(?<=.)@\d+$/, ''));
    expect(Object.keys(dependencies)).toEqual(expect.arrayContaining(names));
    // Nest, its dependencies, the `ws` of that gateway, the driver of its transactions, and the bus of its two processes.
    const others = [
      '@nestjs/common',
      '@nestjs/core',
      '@nestjs/platform-express',
      'reflect-metadata',
      'rxjs',
      'ws',
      'pg',
      'ioredis',
    ];
    expect(Object.keys(dependencies).toSorted()).toEqual([...names, ...others, 'holdfast'].toSorted());
  });

  it('names commands that start the server, leave a message and fetch it later', async () => {
    const [_install, start, write, read, test] = commandsOfReadme();
    expect(start!.command).toBe('npm ci && npm start');
    expect(test!.command).toBe('npm ci && npm test');
    const env = { ...process.env, PORT: '0', NO_COLOR: '1', HOME: folder, XDG_STATE_HOME: '' };
    const server = spawn('npm', ['start'], { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    try {
      const port = await withDeadline(
        new Promise<string>((resolve, reject) => {
          const onText = (text: Buffer) => {
            output += stripVTControlCharacters(text.toString());
            const port = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(output)?.[1];
            if (port) resolve(port);
          };
          server.stdout.on('data', onText);
          server.stderr.on('data', onText);
          server.once('exit', (code) => reject(new Error(`npm start ended with ${code}: ${output}`)));
        }),
        () => `npm start listens; it wrote ${output}`,
        90_000,
      );
      const promised = /listening on .*/.exec(start!.output)![0];
      expect(output).toContain(promised.replaceAll(':3000', `:${port}`));
      const chatting = { cwd: folder, env: { ...env, HOLDFAST_URL: `ws://127.0.0.1:${port}/chat` } };
      const written = await run('sh', ['-c', write!.command], { ...chatting, timeout: 60_000 });
      expect(written.stdout + written.stderr).toBe(write!.output);
      const reader = spawn('sh', ['-c', read!.command], { ...chatting, detached: true });
      const [line] = (await withDeadline(once(reader.stdout, 'data'), () => 'what bob prints', 60_000)) as [Buffer];
      const time = /^[\dT:.Z-]+Z /;
      expect(line.toString()).toMatch(time);
      expect(line.toString().replace(time, '')).toBe(read!.output.replace(time, ''));
      process.kill(-reader.pid!, 'SIGTERM');
    } finally {
      const exited = new Promise((resolve) => server.once('exit', resolve));
      if (server.exitCode === null) {
        process.kill(-server.pid!, 'SIGTERM');
        await withDeadline(exited, () => 'npm start ends', 20_000);
      }
    }
  }, 240_000);
});
