import { ClusterClientDevice } from './cluster-client-device.js';
import type { Cluster } from './cluster.js';
import { ClusterDevice } from './cluster-device.js';
import { Random } from './crash-random.js';
import type { History } from './history.js';
import { faultsOfDevice, faultsOfRecord, readRecord } from './record-check.js';
import type { SecondDevice } from './second-device.js';

/** Users of a crowd who have a second device that only asks: one who sends, and readers of several habits. */
const OWNERS = ['sender-0', 'prompt-0', 'dropping-5', 'away-8', 'text-9'];
/** Users whose second device has the client library. It confirms what comes, so they are such as nobody writes to. */
const CLIENT_OWNERS = ['sender-1', 'sender-2'];

/** What a cluster did with its record while it was written. */
export interface RecordVerdict {
  readonly recorded: number;
  /** What each second device had after the first half, and at the end, and how often it had to begin anew. */
  readonly devices: Readonly<Record<string, readonly [half: number, all: number, restarts: number | undefined]>>;
  /** A sentence for each of the first faults. */
  readonly faults: readonly string[];
}

/** The record of a cluster that has faults, seen from outside: by its database, its receipts and by second devices. */
export class ClusterRecord {
  /** What the nodes are started with: a second device needs more than one connection of a user. */
  static readonly settings = { env: { CHAT_RECORD_MS: '90d', CHAT_SESSIONS: 'multiple' } };
  private readonly halves = new Map<SecondDevice, number>();

  private constructor(
    private readonly cluster: Cluster,
    private readonly devices: readonly SecondDevice[],
  ) {}

  /** Turns the devices on, before anything is sent. */
  static async begin(cluster: Cluster, seed: number): Promise<ClusterRecord> {
    const random = new Random(seed);
    const devices = [
      ...OWNERS.map((user) => new ClusterDevice(user, cluster, random)),
      ...CLIENT_OWNERS.map((user) => new ClusterClientDevice(user, cluster, random)),
    ];
    await Promise.all(devices.map((device) => device.catchUp()));
    for (const device of devices) device.turnOn();
    return new ClusterRecord(cluster, devices);
  }

  /** The devices are off from now on. */
  async turnOff(): Promise<void> {
    await Promise.all(this.devices.map((device) => device.turnOff()));
    for (const device of this.devices) if (!this.halves.has(device)) this.halves.set(device, device.items.length);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.devices.map((device) => device.dispose()));
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
