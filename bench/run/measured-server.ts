import { spawn, type ChildProcess } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { mosquitto } from '../peers/mosquitto.js';
import { PEERS, type Peer, type PeerName } from '../peers/peers.js';
import { on } from './cores.js';

export const ROOT = join(import.meta.dirname, '../..');
const START_MS = 60_000;
const LISTENING = /listening on http:\/\/127\.0\.0\.1:(\d+)/;

/** The limits that are meant for strangers are off. Everything that the delivery promise needs is on. */
const UNLIMITED = Object.fromEntries(
  [
    'FRAMES_PER_SECOND',
    'BROADCASTS_PER_SECOND',
    'CONNECTIONS_PER_ADDRESS',
    'MAX_PENDING_PER_USER',
    'MAX_PENDING_BYTES_PER_USER',
    'MAX_PENDING_PER_SENDER',
    'MAX_STORED_BYTES_PER_SENDER',
    'MAX_STORED_BYTES',
  ].map((name) => [`CHAT_${name}`, 'none']),
);

/** One of the peers in a process of its own, on the server's core. */
export class MeasuredServer {
  private output = '';
  private ended = false;

  private constructor(
    private readonly child: ChildProcess,
    private listensOn: number | null,
  ) {
    const collect = (text: string) => {
      this.output = (this.output + text).slice(-10_000);
      this.listensOn ??= Number(LISTENING.exec(this.output)?.[1]) || null;
    };
    child.stdout!.setEncoding('utf8').on('data', collect);
    child.stderr!.setEncoding('utf8').on('data', collect);
    child.once('error', (error) => collect(error.message));
    child.once('close', () => (this.ended = true));
  }

  /**
   * Starts the peer and waits until it listens. Its folder is empty or has the database that it opens. The folder
   * `code` has the compiled peers. A server in Node writes a CPU profile into `profileFolder` when it ends. `env` is added to
   * what it is given.
   */
  static async start(
    peer: PeerName,
    folder: string,
    code: string,
    profileFolder?: string,
    env: NodeJS.ProcessEnv = {},
  ): Promise<MeasuredServer> {
    const profile = profileFolder ? ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`] : [];
    const { file, env: own }: Peer = PEERS[peer];
    let command = [process.execPath, ...profile, '--enable-source-maps', join(ROOT, 'dist/main.js')];
    let port: number | null = null;
    if (peer === 'mosquitto') ({ command, port } = await mosquitto(folder));
    else if (file) command = [process.execPath, ...profile, join(code, 'peers', file)];
    const [name, args] = on('server', command);
    const child = spawn(name, args, {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        NODE_ENV: 'production',
        NO_COLOR: '1',
        PORT: '0',
        DATABASE_URL: `sqlite:${databaseIn(folder)}`,
        BENCH_FOLDER: folder,
        ...UNLIMITED,
        ...own,
        ...env,
      },
    });
    const server = new MeasuredServer(child, port);
    await server.listening();
    return server;
  }

  get port(): number {
    return this.listensOn!;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** The end of its output. */
  get lastWords(): string {
    return this.output;
  }

  /** Ends it with SIGTERM, or else with SIGKILL after 20 s. */
  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    const deadline = performance.now() + 20_000;
    while (!this.ended) {
      if (performance.now() > deadline) this.child.kill('SIGKILL');
      await delay(5);
    }
  }

  private async listening(): Promise<void> {
    const deadline = performance.now() + START_MS;
    while (!this.listensOn || !(await accepts(this.listensOn))) {
      if (this.ended || performance.now() > deadline) {
        await this.stop();
        throw new Error(`a server does not listen; it wrote ${this.output}`);
      }
      await delay(10);
    }
  }
}

/** Where our server has its database in the folder of a round. */
export function databaseIn(folder: string): string {
  return join(folder, 'holdfast.sqlite');
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.once('error', () => resolve(false)); // The connection was refused: it does not listen yet.
    socket.once('connect', () => socket.destroy());
  });
}
