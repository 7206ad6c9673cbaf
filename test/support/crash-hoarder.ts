import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { withDeadline } from './deadline.js';

const ROOT = new URL('../..', import.meta.url);
const SCRIPT = `
  import { WebSocketServer } from 'ws';
  const [count, content] = process.argv.slice(1);
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('listening', () => process.stdout.write(server.address().port + '\\n'));
  server.on('connection', (socket) => {
    for (let n = 1; n <= Number(count); n += 1) socket.send(JSON.stringify({ id: 'm-' + n, content }));
    process.stdout.write('written\\n');
  });
`;

/**
 * A naive server for negative controls. Each client gets the whole backlog at once, and the server holds what the
 * client does not read.
 */
export class Hoarder {
  private stdout = '';
  private readonly child: ChildProcess;

  private constructor(count: number, content: string) {
    const args = ['--input-type=module', '--eval', SCRIPT, String(count), content];
    this.child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
    this.child.stdout!.on('data', (text: Buffer) => (this.stdout += text.toString()));
  }

  /** Starts one that has `count` messages for every user. */
  static async start(count: number, content: string): Promise<Hoarder> {
    const hoarder = new Hoarder(count, content);
    await hoarder.until(/^\d+\n/);
    return hoarder;
  }

  get pid(): number {
    return this.child.pid!;
  }

  get socketUrl(): string {
    return `ws://127.0.0.1:${Number.parseInt(this.stdout, 10)}`;
  }

  /** Waits until it has written everything to a client. */
  untilWritten(): Promise<void> {
    return this.until(/written\n/);
  }

  async kill(): Promise<void> {
    const closed = once(this.child, 'close');
    this.child.kill('SIGKILL');
    await closed;
  }

  private async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.stdout)) {
      await withDeadline(once(this.child.stdout!, 'data'), () => `${pattern}; it wrote ${this.stdout}`);
    }
  }
}
