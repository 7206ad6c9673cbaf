import { WebSocket } from 'ws';
import type { WireRecorded, WireSync } from '../../src/protocol/wire.js';
import type { Cluster } from './cluster.js';
import type { Random } from './crash-random.js';
import { eventually } from './deadline.js';

/** How long a device waits for an answer, and between two visits at most, in milliseconds. */
const PATIENCE_MS = 10_000;
const PAUSE_MS = 1_000;
const MAX_PAGE = 200;
/** How long it may take until a device has everything, in milliseconds. */
const CATCH_UP_MS = 120_000;

/**
 * Another device of a user: it visits any node, asks for what was recorded since the last time, and leaves. It confirms
 * nothing, so for delivery it is not there.
 */
export class ClusterDevice {
  /** What it was told, in the order in which it came. */
  readonly items: WireRecorded[] = [];
  readonly faults: string[] = [];
  private cursor: string | null = null;
  private isOn = false;
  private visits: Promise<void> = Promise.resolve();

  constructor(
    readonly user: string,
    private readonly cluster: Cluster,
    private readonly random: Random,
  ) {}

  /** It visits now and then. */
  turnOn(): void {
    this.isOn = true;
    this.visits = this.comeAndGo();
  }

  /** Resolves when it has left. */
  async turnOff(): Promise<void> {
    this.isOn = false;
    await this.visits;
  }

  /** Visits until it has been told that nothing more is there. */
  async catchUp(): Promise<void> {
    await eventually(
      () => this.visit(),
      () => `${this.user} has all of the record`,
      CATCH_UP_MS,
    );
  }

  private async comeAndGo(): Promise<void> {
    while (this.isOn) {
      await this.visit();
      await new Promise((resolve) => setTimeout(resolve, this.random.between(1, PAUSE_MS)));
    }
  }

  /** Returns whether it was told everything: its node may end before that. */
  private async visit(): Promise<boolean> {
    const address = this.cluster.address(this.random);
    if (address === null) return false;
    const socket = new WebSocket(`${address}?user=${this.user}`, 'chat.v1.json');
    const timer = setTimeout(() => socket.terminate(), PATIENCE_MS);
    let hasAll = false;
    socket.on('open', () => this.ask(socket));
    socket.on('message', (frame: Buffer) => {
      const { event, data } = JSON.parse(frame.toString());
      if (event === 'sync' && this.learn(data)) return this.ask(socket);
      if (event === 'exception' && !data.temporary) this.faults.push(`${this.user} is refused: ${data.code}`);
      hasAll = event === 'sync';
      if (event === 'sync' || event === 'exception') socket.terminate();
    });
    socket.on('error', () => undefined); // 'close' follows.
    await new Promise((resolve) => socket.on('close', resolve));
    clearTimeout(timer);
    return hasAll;
  }

  private ask(socket: WebSocket): void {
    const after = this.cursor === null ? {} : { after: this.cursor };
    socket.send(
      JSON.stringify({ event: 'sync', data: { id: 'all', ...after, limit: this.random.between(1, MAX_PAGE) } }),
    );
  }

  /** Returns whether more is there. */
  private learn({ items, after, more, complete }: WireSync): boolean {
    if (this.cursor !== null && !complete)
      this.faults.push(`${this.user} may have missed what is behind ${this.cursor}`);
    this.cursor = after;
    this.items.push(...items);
    return more;
  }
}
