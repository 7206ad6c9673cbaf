import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { withDeadline } from './deadline.js';

const SCRIPT = join(import.meta.dirname, 'shop-main.mjs');
/** How long it may take to open, and to sell, in milliseconds. */
const START_MS = 30_000;

/** What a shop is given. */
export interface ShopSettings {
  readonly ROLE: 'shop' | 'worker' | 'naive';
  readonly BUYERS: string;
  /** The database of its orders. */
  readonly DATABASE_URL: string;
  /** The file of the chat's store. */
  readonly STORE: string;
}

/** A shop in a process of its own (shop-main.mjs). */
export class ShopProcess {
  private output = '';
  private readonly ended: Promise<unknown>;

  private constructor(private readonly child: ChildProcess) {
    this.ended = once(child, 'close');
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => (this.output += text));
  }

  /** Starts it with the packages of a folder, and waits until it is open. */
  static async start(folder: string, settings: ShopSettings): Promise<ShopProcess> {
    const env = { PATH: process.env['PATH'], NO_COLOR: '1', ...settings };
    const shop = new ShopProcess(
      spawn(process.execPath, [SCRIPT], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] }),
    );
    await shop.until('open', 1);
    return shop;
  }

  /** Waits until it has sold this many orders. */
  untilSold(count: number): Promise<void> {
    return this.until('sold', count);
  }

  /** Ends it with kill -9; rejects with its output when it had ended by itself. */
  async kill(): Promise<void> {
    const isThere = this.child.exitCode === null;
    this.child.kill('SIGKILL');
    await this.ended;
    if (!isThere) throw new Error(`the shop has ended by itself: ${this.output}`);
  }

  private async until(word: string, count: number): Promise<void> {
    const heard = new Promise<void>((resolve, reject) => {
      const look = () => this.output.split(`${word}\n`).length > count && resolve();
      this.child.stdout!.on('data', look);
      this.ended.then(() => reject(new Error(`the shop has ended: ${this.output}`)), reject);
      look();
    });
    await withDeadline(heard, () => `the shop says '${word}' ${count} times; it wrote ${this.output}`, START_MS);
  }
}
