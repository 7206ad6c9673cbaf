import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DataSource } from 'typeorm';
import { withDeadline } from './deadline.js';
import { signalAll } from './signal-all.js';

/** Postgres refuses to run as root. When the tests run as root, it runs as nobody. */
const NOBODY = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
/** A password with characters that an address has to escape. */
const PASSWORD = 'p@ss:w/rd%';
/** The port is only a part of the socket's name: the server listens on nothing else. */
const PORT = 5432;

/**
 * A Postgres for the tests, in its own folder, on a socket in it. It sorts by the rules of a language and not by bytes.
 */
export class PostgresServer {
  private child: ChildProcess | null = null;
  private databases = 0;

  private constructor(
    readonly folder: string,
    private readonly binaries: string,
  ) {}

  static async start(): Promise<PostgresServer> {
    const binaries = findBinaries();
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-pg-'));
    const passwordFile = join(folder, 'password');
    await writeFile(passwordFile, PASSWORD);
    if (NOBODY.uid !== undefined) for (const path of [folder, passwordFile]) chownSync(path, NOBODY.uid, NOBODY.gid);
    const server = new PostgresServer(folder, binaries);
    const options = ['--no-sync', '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8'];
    const locale = ['--locale=C.UTF-8', '--locale-provider=icu', '--icu-locale=en'];
    execFileSync(join(binaries, 'initdb'), ['-D', server.data, '-U', 'holdfast', ...options, ...locale], {
      ...NOBODY,
      cwd: folder,
      stdio: 'pipe',
    });
    await server.run();
    return server;
  }

  /** Starts it again with the same data. */
  async run(...settings: string[]): Promise<void> {
    const own = ['listen_addresses=', `port=${PORT}`, `unix_socket_directories=${this.folder}`, 'fsync=on'];
    const child = spawn(
      join(this.binaries, 'postgres'),
      ['-D', this.data, ...[...own, ...settings].flatMap((setting) => ['-c', setting])],
      { ...NOBODY, cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.child = child;
    const log: string[] = [];
    const ready = new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stderr! }).on('line', (line) => {
        log.push(line);
        if (line.includes('ready to accept connections')) resolve();
      });
      child.once('exit', () => reject(new Error(`Postgres ended: ${log.join('\n')}`)));
    });
    // After a crash it flushes all its files first, which takes long on a busy disk.
    await withDeadline(ready, () => `Postgres is ready; it said ${log.join('\n')}`, 60_000);
  }

  /** Stops it as an operator does, or with `SIGQUIT` like a crash. */
  async stop(signal: 'SIGINT' | 'SIGQUIT' = 'SIGINT'): Promise<void> {
    const { child } = this;
    if (!child) return;
    this.child = null;
    const ended = once(child, 'exit');
    child.kill(signal);
    // It writes a checkpoint first, which takes long on a busy disk.
    await withDeadline(ended, () => 'Postgres ends', 60_000);
  }

  /** Suspends it with all its sessions, as a machine that stands still. */
  async freeze(): Promise<void> {
    await signalAll(this.child!.pid!, 'SIGSTOP');
  }

  async thaw(): Promise<void> {
    if (this.child) await signalAll(this.child.pid!, 'SIGCONT');
  }

  async dispose(): Promise<void> {
    await this.thaw();
    await this.stop('SIGQUIT');
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Creates a database; returns its address. */
  async createDatabase(options = ''): Promise<string> {
    const name = `db${(this.databases += 1)}`;
    await this.query(`CREATE DATABASE ${name} ${options}`);
    return this.url(name);
  }

  /** The address of a database by the socket, or by a proxy in front of it. */
  url(database: string, via?: { readonly port: number }): string {
    const user = `holdfast:${encodeURIComponent(PASSWORD)}`;
    return via
      ? `postgres://${user}@127.0.0.1:${via.port}/${database}`
      : `postgres://${user}@localhost/${database}?host=${encodeURIComponent(this.folder)}`;
  }

  /** Its first process, whose children are its sessions. */
  get pid(): number {
    return this.child!.pid!;
  }

  /** Where it listens. */
  get socket(): string {
    return join(this.folder, `.s.PGSQL.${PORT}`);
  }

  /** Runs one statement on its own connection, as another program would. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  async query(sql: string, url = this.url('postgres')): Promise<any[]> {
    const client = await new DataSource({ type: 'postgres', url, poolSize: 1 }).initialize();
    try {
      return await client.query(sql);
    } finally {
      await client.destroy();
    }
  }

  private get data(): string {
    return join(this.folder, 'data');
  }
}

/** Returns the folder with `initdb` and `postgres`, which Debian keeps out of the PATH. */
function findBinaries(): string {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...(process.env['PATH'] ?? '').split(':'),
    ...versions.map((version) => join(debian, version, 'bin')),
  ];
  const found = folders.find((folder) => ['initdb', 'postgres'].every((name) => existsSync(join(folder, name))));
  if (!found) throw new Error('there is no Postgres to test with; run scripts/install-test-tools.sh');
  return found;
}
