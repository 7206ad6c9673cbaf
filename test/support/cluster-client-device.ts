import { setTimeout as delay } from 'node:timers/promises';
import { RefusedError } from 'holdfast-client';
import { createClient, type RecordClient, type RecordedMessage } from 'holdfast-client/record';
import { WebSocket } from 'ws';
import type { Cluster } from './cluster.js';
import type { Random } from './crash-random.js';
import { eventually } from './deadline.js';
import type { SecondDevice } from './second-device.js';

/** How long a connection lasts, and the pause behind it, in milliseconds at most. */
const VISIT_MS = 5_000;
const PAUSE_MS = 1_000;
/** How long it may take until a device has everything, in milliseconds. */
const CATCH_UP_MS = 120_000;

/**
 * Another device of somebody who only sends, with the client library: what is sent from elsewhere comes as an echo, or
 * with the next connection to any node.
 */
export class ClusterClientDevice implements SecondDevice {
  readonly faults: string[] = [];
  private readonly client: RecordClient;
  private off = new AbortController();
  private visits: Promise<void> = Promise.resolve();

  constructor(
    readonly user: string,
    cluster: Cluster,
    private readonly random: Random,
  ) {
    this.client = createClient({
      url: () => {
        const address = cluster.address(random);
        if (address === null) throw new Error('no node runs');
        return `${address}?user=${user}`;
      },
      WebSocket,
      reconnect: { minDelayMs: 10, maxDelayMs: 500 },
    });
    this.client.on('error', ({ error, about }) => {
      if (about !== 'connect') this.faults.push(`${user} failed with its ${about}: ${String(error)}`);
    });
  }

  /** What it knows. */
  get items(): readonly RecordedMessage[] {
    return this.client.conversations.flatMap(({ messages }) => messages);
  }

  turnOn(): void {
    this.off = new AbortController();
    this.visits = this.comeAndGo(this.off.signal);
  }

  async turnOff(): Promise<void> {
    this.off.abort();
    await this.visits;
  }

  /** Nobody has looked at its conversations until then, so most of them comes as earlier messages. */
  async catchUp(): Promise<void> {
    this.client.connect();
    await eventually(
      () => this.look(),
      () => `${this.user} has all of the record with the client library`,
      CATCH_UP_MS,
    );
    this.client.disconnect();
  }

  async dispose(): Promise<void> {
    await this.turnOff();
    await this.client.close();
  }

  /** Returns whether it has everything: its node may end before that. */
  private async look(): Promise<boolean> {
    try {
      await this.client.sync();
      for (const { with: peer } of this.client.conversations) {
        this.client.open(peer);
        while (this.client.conversation(peer).hasEarlier) await this.client.earlier(peer);
      }
      return true;
    } catch (error) {
      if (error instanceof RefusedError) return false;
      throw error;
    }
  }

  private async comeAndGo(off: AbortSignal): Promise<void> {
    while (!off.aborted) {
      this.client.connect();
      await pause(this.random.between(1, VISIT_MS), off);
      this.client.disconnect();
      await pause(this.random.between(1, PAUSE_MS), off);
    }
  }
}

/** Ends early when the device is turned off. */
async function pause(ms: number, off: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal: off }).catch(() => undefined);
}
