import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { delimiter, join } from 'node:path';
import { WebSocket } from 'ws';
import { eventually, withDeadline } from '../support/deadline.js';
import { Tab } from './client-tab.js';

const START_MS = 20_000;

/** A browser that is driven by the standard's commands, without a library. */
export interface Engine {
  open(name: string, address: string): Promise<EngineTab>;
  /** Kills it, with all of its processes. */
  kill(): Promise<void>;
}

export interface EngineTab extends Tab {
  reload(): Promise<void>;
  close(): Promise<void>;
}

/** The path of a program; undefined if it is not here. */
export function programAt(name: string): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

/** A program that leads a group of processes, all of which can be killed. */
class ProcessGroup {
  written = '';
  private readonly child: ChildProcess;

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(command, args, { env: { PATH: process.env['PATH'], ...env }, detached: true });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.written += text));
    }
  }

  /** Waits until it has written this, and returns the first group. */
  async until(line: RegExp): Promise<string> {
    await eventually(
      () => line.test(this.written),
      () => `the program writes ${line}; it wrote ${this.written}`,
      START_MS,
    );
    return line.exec(this.written)![1]!;
  }

  async kill(): Promise<void> {
    const closed = once(this.child, 'close');
    process.kill(-this.child.pid!, 'SIGKILL');
    await closed;
  }
}

class DrivenTab extends Tab implements EngineTab {
  constructor(
    name: string,
    evaluate: (expression: string) => Promise<string>,
    readonly reload: () => Promise<void>,
    readonly close: () => Promise<void>,
  ) {
    super(name, async (expression) => JSON.parse(await evaluate(expression)) as unknown);
  }
}

/** Makes JSON of what an expression evaluates to. */
const asJson = (expression: string) => `(async () => JSON.stringify((await (${expression})) ?? null))()`;

const PREFERENCES = `
user_pref('browser.sessionstore.resume_from_crash', false);
user_pref('toolkit.startup.max_resumed_crashes', -1);
user_pref('browser.aboutwelcome.enabled', false);
user_pref('datareporting.policy.dataSubmissionEnabled', false);
`;

/** Firefox, by the WebDriver BiDi that it speaks itself. */
export class Firefox implements Engine {
  private count = 0;
  private readonly answers = new Map<number, (answer: BidiAnswer) => void>();

  private constructor(
    private readonly process: ProcessGroup,
    private readonly socket: WebSocket,
  ) {
    socket.on('message', (text: Buffer) => {
      const answer = JSON.parse(text.toString()) as BidiAnswer;
      this.answers.get(answer.id)?.(answer);
      this.answers.delete(answer.id);
    });
    socket.on('error', () => undefined); // It is killed.
  }

  /** Starts it with what it has kept in this folder. */
  static async start(folder: string): Promise<Firefox> {
    await writeFile(join(folder, 'user.js'), PREFERENCES);
    const args = ['--headless', '--no-remote', '--profile', folder, '--remote-debugging-port', '0', 'about:blank'];
    const process = new ProcessGroup('firefox-esr', args, { HOME: folder, MOZ_CRASHREPORTER_DISABLE: '1' });
    const address = await process.until(/WebDriver BiDi listening on (ws:\/\/\S+)/);
    const socket = new WebSocket(`${address}/session`);
    await once(socket, 'open');
    const firefox = new Firefox(process, socket);
    await firefox.command('session.new', { capabilities: {} });
    return firefox;
  }

  async open(name: string, url: string): Promise<EngineTab> {
    const { context } = await this.command('browsingContext.create', { type: 'tab' });
    await this.command('browsingContext.navigate', { context, url, wait: 'complete' });
    const evaluate = async (expression: string) => {
      const { result, exceptionDetails } = await this.command('script.evaluate', {
        expression: asJson(expression),
        target: { context },
        awaitPromise: true,
      });
      if (!result) throw new Error(`${name}: ${exceptionDetails?.text}`);
      return result.value;
    };
    const reload = async () => void (await this.command('browsingContext.reload', { context, wait: 'complete' }));
    const close = async () => void (await this.command('browsingContext.close', { context }));
    return new DrivenTab(name, evaluate, reload, close);
  }

  async kill(): Promise<void> {
    this.socket.terminate();
    await this.process.kill();
  }

  private async command(method: string, params: unknown): Promise<BidiResult> {
    const id = (this.count += 1);
    const answered = new Promise<BidiAnswer>((resolve) => this.answers.set(id, resolve));
    this.socket.send(JSON.stringify({ id, method, params }));
    const answer = await withDeadline(answered, () => `Firefox answers ${method}`, START_MS);
    if (!answer.result) throw new Error(`${method}: ${answer.error} ${answer.message}`);
    return answer.result;
  }
}

interface BidiResult {
  readonly context: string;
  readonly result?: { readonly value: string };
  readonly exceptionDetails?: { readonly text: string };
}

interface BidiAnswer {
  readonly id: number;
  readonly result?: BidiResult;
  readonly error?: string;
  readonly message?: string;
}

/** WebKitGTK's small browser, by its WebDriver. What it keeps ends with it. */
export class WebKit implements Engine {
  private session = '';
  /** One command after the other: each is for the window that was switched to. */
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly process: ProcessGroup,
    private readonly driver: string,
  ) {}

  static async start(folder: string): Promise<WebKit> {
    const port = await freePort();
    const command = ['-a', 'WebKitWebDriver', `--port=${port}`];
    const process = new ProcessGroup('xvfb-run', command, { HOME: folder, XDG_RUNTIME_DIR: folder });
    const webkit = new WebKit(process, `http://127.0.0.1:${port}`);
    await eventually(
      () => webkit.isReady(),
      () => `WebKitWebDriver listens; it wrote ${process.written}`,
      START_MS,
    );
    const { sessionId } = (await webkit.call('POST', '/session', { capabilities: {} })) as { sessionId: string };
    webkit.session = `/session/${sessionId}`;
    await webkit.call('POST', `${webkit.session}/timeouts`, { script: START_MS });
    return webkit;
  }

  async open(name: string, url: string): Promise<EngineTab> {
    const { handle } = (await this.call('POST', `${this.session}/window/new`, { type: 'tab' })) as { handle: string };
    const inWindow = (method: string, path: string, body?: unknown) => {
      const switched = this.last.then(() => this.call('POST', `${this.session}/window`, { handle }));
      const done = switched.then(() => this.call(method, `${this.session}${path}`, body));
      this.last = done.catch(() => undefined);
      return done;
    };
    await inWindow('POST', '/url', { url });
    const evaluate = async (expression: string) => {
      const script = `const done = arguments[0]; ${asJson(expression)}.then(done, (error) => done('!' + error))`;
      const json = (await inWindow('POST', '/execute/async', { script, args: [] })) as string;
      if (json.startsWith('!')) throw new Error(`${name}: ${json}`);
      return json;
    };
    const reload = async () => void (await inWindow('POST', '/refresh', {}));
    const close = async () => void (await inWindow('DELETE', '/window'));
    return new DrivenTab(name, evaluate, reload, close);
  }

  async kill(): Promise<void> {
    await this.last;
    await this.process.kill();
  }

  private async isReady(): Promise<boolean> {
    try {
      return ((await this.call('GET', '/status')) as { ready: boolean }).ready;
    } catch {
      return false; // It does not listen yet.
    }
  }

  private async call(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(this.driver + path, { method, ...(body ? { body: JSON.stringify(body) } : {}) });
    const { value } = (await response.json()) as { value: unknown };
    if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(value)}`);
    return value;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
