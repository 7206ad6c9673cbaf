import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ServerProcess } from '../support/server-process.js';
import { TestClient } from '../support/test-client.js';

const run = promisify(execFile);

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'holdfast-logs-'))));
afterEach(() => rm(folder, { recursive: true, force: true }));

const environment = () => ({ DATABASE_URL: `sqlite:${join(folder, 'holdfast.sqlite')}` });

/** Returns what a server wrote from start to end, while one client talks and another sends hostile input. */
async function logOf(env: NodeJS.ProcessEnv): Promise<string[]> {
  const server = await ServerProcess.start({ ...environment(), ...env });
  try {
    const alice = await TestClient.open(`${server.socketUrl}?user=alice-liddell`, ['chat.v1.json']);
    await alice.nextJson('welcome');
    alice.sendJson('send', { to: 'white-rabbit', content: 'Oh dear!' });
    await alice.until('receipts');
    alice.send('{"event": "a\u001b[31mb\n');
    await alice.until('exception');
    for (const path of ['/health/ready', '/metrics', '/nowhere%0aINFO', '/chat/pending?limit=%1b'])
      await (await fetch(`${server.url}${path}`, { headers: { Authorization: 'Bearer open-sesame' } })).text();
    await alice.close();
  } finally {
    expect(await server.stop()).toBe(0);
  }
  return `${server.stdout}${server.stderr}`.split('\n').filter((line) => line !== '');
}

describe('the log of the server', () => {
  it('is one JSON object a line with LOG_FORMAT=json', async () => {
    const lines = (await logOf({ LOG_FORMAT: 'json' })).map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines[0]).toMatchObject({
      level: 'log',
      context: 'Holdfast',
      message: expect.stringMatching(/^listening on/),
    });
    for (const line of lines) {
      expect(line).toMatchObject({ level: expect.any(String), timestamp: expect.any(Number), pid: expect.any(Number) });
    }
  });

  it('is for people without it', async () => {
    expect((await logOf({}))[0]).toMatch(/LOG \[Holdfast\] listening on/);
  });

  it('names no user, no content and no token in either form', async () => {
    for (const LOG_FORMAT of ['json', 'text']) {
      const log = (await logOf({ LOG_FORMAT })).join('\n');
      expect(log).toMatch(/listening/);
      expect(log).not.toMatch(/liddell|rabbit|dear|sesame|nowhere/i);
    }
  });

  it('tells in JSON, too, why the server does not start', async () => {
    const start = ServerProcess.start({ ...environment(), LOG_FORMAT: 'json', CHAT_NONSENSE: '1' });
    const { message } = (await start.catch((error: unknown) => error)) as Error;
    const { stdout, stderr } = JSON.parse(/it wrote (.*)$/.exec(message)![1]!) as { stdout: string; stderr: string };
    expect(stdout).toBe('');
    expect(JSON.parse(stderr)).toMatchObject({ level: 'fatal', message: expect.stringMatching(/^CHAT_NONSENSE/) });
  });

  it('tells of an error without what its statement carried, and none of its lines is taken for another one', async () => {
    for (const format of ['text', 'json']) {
      const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', LOG_AN_ERROR, format], {
        cwd: join(import.meta.dirname, '../..'),
        env: { NO_COLOR: '1' },
      });
      expect(stdout).toBe('');
      expect(stderr).toContain('inner');
      expect(stderr).not.toContain('a secret');
      const [first, ...rest] = stderr.trimEnd().split('\n');
      if (format === 'json') expect(JSON.parse(first!)).toMatchObject({ error: { cause: { message: 'inner' } } });
      else expect(rest.length).toBeGreaterThan(1);
      expect(rest.filter((line) => !line.startsWith('    '))).toEqual([]);
      expect(stderr.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    }
  });
});

/** Logs an error as TypeORM makes it. It runs in its own process, as Jest's errors are not those of Node. */
const LOG_AN_ERROR = `
  import { ServerLogger } from './dist/observability/server-logger.js';
  const cause = Object.assign(new Error('inner'), { parameters: ['a secret'] });
  const message = 'one\\n[Nest] 1 - LOG two\\r\\u001b[31mred';
  new ServerLogger(process.argv[1]).error(Object.assign(new Error(message, { cause }), { parameters: ['a secret'] }));
`;
