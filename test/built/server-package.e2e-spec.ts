import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Consumer } from '../support/consumer-process.js';
import { ServerProcess } from '../support/server-process.js';
import { TestClient } from '../support/test-client.js';

/** Each starts a server, some two. */

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');
const consumer = new Consumer('server');
const BIN = join(consumer.folder, 'node_modules/.bin/holdfast-server');

/** What a step of the Dockerfile runs, in this folder instead of that of the image. */
async function stepOf(pattern: RegExp): Promise<string[]> {
  const dockerfile = await readFile(join(ROOT, 'Dockerfile'), 'utf8');
  const command = JSON.parse(pattern.exec(dockerfile)![1]!) as string[];
  return command.map((part) => part.replace('node_modules', join(consumer.folder, 'node_modules')));
}

describe('the package holdfast-server, in an empty folder', () => {
  let folder: string;
  let server: ServerProcess | undefined;
  const start = async (program: readonly string[]) => {
    server = await ServerProcess.start({ DATABASE_URL: `sqlite:${folder}/holdfast.sqlite` }, [], program);
    return server;
  };
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'holdfast-server-'))));
  afterEach(async () => {
    await server?.kill();
    await rm(folder, { recursive: true, force: true });
  });

  it('has its program, its README and its licence, and nothing else', async () => {
    const { stdout } = await run('npm', ['pack', './server', '--dry-run', '--json', '--ignore-scripts'], { cwd: ROOT });
    const [packed] = Object.values(JSON.parse(stdout) as Record<string, { files: { path: string }[] }>);
    expect(packed!.files.map(({ path }) => path).sort()).toEqual([
      'LICENSE',
      'README.md',
      'bin/holdfast-server.js',
      'package.json',
    ]);
  });

  it('has all that it depends on, in the versions that it asks for', async () => {
    const { problems } = JSON.parse(await consumer.run('npm', 'ls', 'holdfast-server', 'holdfast', '--json')) as {
      problems?: string[];
    };
    expect(problems).toBeUndefined();
  });

  it('has one TypeORM, of the version for which its driver of SQLite is', () => {
    const packages = join(consumer.folder, 'node_modules');
    const { version } = JSON.parse(readFileSync(join(packages, 'typeorm/package.json'), 'utf8')) as { version: string };
    expect(version).toMatch(/^0\.3\./);
    const others = ['holdfast', 'holdfast-server'].map((name) => join(packages, name, 'node_modules/typeorm'));
    expect(others.filter((path) => existsSync(path))).toEqual([]);
  });

  it('starts the server, which keeps a message over its end by SIGTERM', async () => {
    const first = await start([BIN]);
    const alice = await TestClient.open(`${first.socketUrl}?user=alice`);
    alice.send('bob|see you at noon');
    await alice.expectNothingElse('alice');
    expect(await first.stop()).toBe(0);
    await alice.expectClose(1001);
    const second = await start([BIN]);
    const bob = await TestClient.open(`${second.socketUrl}?user=bob`);
    expect(await bob.next()).toMatch(/^\d{4}-[\dT:.-]+Z:see you at noon$/);
    expect(await (await fetch(`${second.url}/health/ready`)).json()).toMatchObject({ status: 'ok' });
    expect(await second.stop()).toBe(0);
  });

  it('starts by the command of the Dockerfile, whose health check tells whether it lives', async () => {
    const [node, ...args] = await stepOf(/^HEALTHCHECK .*\\\n +CMD (.*)$/m);
    const started = await start(await stepOf(/^CMD (.*)$/m));
    const check = (port: string) => run(node!, args, { env: { PATH: process.env['PATH'], PORT: port } });
    const { port } = new URL(started.url);
    await check(port);
    expect(await started.stop()).toBe(0);
    await expect(check(port)).rejects.toMatchObject({ code: 1 });
  });

  it.each([
    [['--help'], 0, 'stdout'],
    [['--port', '3000'], 2, 'stderr'],
  ] as const)('says how it is called: %j', async (args, code, stream) => {
    type Ended = { readonly code?: number; readonly stdout: string; readonly stderr: string };
    const ended: Ended = await run(BIN, [...args]).catch((error: Ended) => error);
    expect([ended.code ?? 0, ended[stream]]).toEqual([code, expect.stringMatching(/^Usage: holdfast-server/)]);
  });
});
