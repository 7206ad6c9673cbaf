import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { eventually, withDeadline } from './deadline.js';
import { TestClient } from './test-client.js';

/** The two protocols, as a client asks for them. */
const SUBPROTOCOLS = { text: [], json: ['chat.v1.json'] } as const;
export type Protocol = keyof typeof SUBPROTOCOLS;

const ROOT = new URL('../..', import.meta.url);
/** Prints every frame that comes as one line of JSON, and acknowledges it if it can. */
const SCRIPT = `
  import { WebSocket } from 'ws';
  const [url, ...protocols] = process.argv.slice(1);
  const socket = new WebSocket(url, protocols);
  socket.on('open', () => process.stdout.write('"open"\\n'));
  socket.on('message', (data) => {
    const seq = protocols.length > 0 ? JSON.parse(data).data.seq : undefined;
    if (seq) socket.send(JSON.stringify({ event: 'ack', data: { seq } }));
    process.stdout.write(JSON.stringify(data.toString()) + '\\n');
  });
`;

/** A connection that acknowledges each message at once, in its protocol. */
export async function connectReader(url: string, protocol: Protocol): Promise<TestClient> {
  const client = await TestClient.open(url, [...SUBPROTOCOLS[protocol]]);
  if (protocol === 'text') return client;
  client.listen((frame) => {
    const { event, data: message } = JSON.parse(frame);
    if (event === 'message') client.sendJson('ack', { seq: message.seq });
  });
  await client.until('caught-up');
  return client;
}

/** The same in its own process, which can be suspended like a closed laptop. */
export class ReaderProcess {
  readonly frames: string[] = [];
  private readonly child: ChildProcess;
  private stderr = '';

  private constructor(url: string, protocol: Protocol) {
    const args = ['--input-type=module', '--eval', SCRIPT, url, ...SUBPROTOCOLS[protocol]];
    this.child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    createInterface(this.child.stdout!).on('line', (line) => this.frames.push(JSON.parse(line)));
    this.child.stderr!.on('data', (text: Buffer) => (this.stderr += text.toString()));
  }

  static async open(url: string, protocol: Protocol): Promise<ReaderProcess> {
    const reader = new ReaderProcess(url, protocol);
    await reader.until(
      (frame) => frame === (protocol === 'text' ? 'open' : '{"event":"caught-up","data":{"delivered":0}}'),
    );
    return reader;
  }

  /** Waits until it has printed such a frame. */
  async until(claim: (frame: string) => boolean): Promise<void> {
    await eventually(
      () => this.frames.some(claim),
      () => `a frame; what came: ${JSON.stringify(this.frames)} ${this.stderr}`,
    );
  }

  /** Suspends it: it reads and answers nothing more, and its connection stays. */
  async freeze(): Promise<void> {
    this.child.kill('SIGSTOP');
    const state = async () => /\) (\w)/.exec(await readFile(`/proc/${this.child.pid}/stat`, 'utf8'))![1];
    await eventually(async () => (await state()) === 'T');
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const closed = once(this.child, 'close');
    this.child.kill('SIGKILL');
    await withDeadline(closed, () => 'the reader ends');
  }
}
