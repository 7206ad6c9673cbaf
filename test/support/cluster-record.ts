import type { Cluster } from './cluster.js';
import { ClusterDevice } from './cluster-device.js';
import { Random } from './crash-random.js';
import type { History } from './history.js';
import { faultsOfDevice, faultsOfRecord, readRecord } from './record-check.js';

/** Users of a crowd who have a second device: one who sends, and readers of several habits. */
const OWNERS = ['sender-0', 'prompt-0', 'dropping-5', 'away-8', 'text-9'];

/** What a cluster did with its record while it was written. */
export interface RecordVerdict {
  readonly recorded: number;
  /** What each second device had after the first half, and at the end, and how often it had to begin anew. */
  readonly devices: Readonly<Record<string, readonly [half: number, all: number, restarts: number]>>;
  /** A sentence for each of the first faults. */
  readonly faults: readonly string[];
}

/** The record of a cluster that has faults, seen from outside: by its database, its receipts and by second devices. */
export class ClusterRecord {
  /** What the nodes are started with: a second device needs more than one connection of a user. */
  static readonly settings = { env: { CHAT_RECORD_MS: '90d', CHAT_SESSIONS: 'multiple' } };
  private readonly halves = new Map<ClusterDevice, number>();

  private constructor(
    private readonly cluster: Cluster,
    private readonly devices: readonly ClusterDevice[],
  ) {}

  /** Turns the devices on, before anything is sent. */
  static async begin(cluster: Cluster, seed: number): Promise<ClusterRecord> {
    const random = new Random(seed);
    const devices = OWNERS.map((user) => new ClusterDevice(user, cluster, random));
    await Promise.all(devices.map((device) => device.catchUp()));
    for (const device of devices) device.turnOn();
    return new ClusterRecord(cluster, devices);
  }

  /** The devices are off from now on. */
  async turnOff(): Promise<void> {
    await Promise.all(this.devices.map((device) => device.turnOff()));
    for (const device of this.devices) if (!this.halves.has(device)) this.halves.set(device, device.items.length);
  }

  /** Returns the judgement, after everybody has an answer. The devices are brought up to date for it. */
  async check(history: History): Promise<RecordVerdict> {
    await Promise.all(this.devices.map((device) => device.catchUp()));
    const { postgres, databaseUrl } = this.cluster;
    const rows = await readRecord((sql) => postgres.query(sql, databaseUrl));
    const told = this.devices.map((device) => {
      const { user, items, restarts } = device;
      return [user, [this.halves.get(device)!, items.length, restarts]] as const;
    });
    return {
      recorded: rows.length,
      devices: Object.fromEntries(told),
      faults: [
        ...faultsOfRecord(history.entries, rows),
        ...this.devices.flatMap(({ user, items, faults }) => [...faults, ...faultsOfDevice(user, items, rows)]),
      ],
    };
  }
}
