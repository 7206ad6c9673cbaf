import { setTimeout as delay } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import type { Job } from '../generator/job.js';
import { isOurs, PEERS } from '../peers/peers.js';
import { Bus } from './bus.js';
import { MeasuredServer } from './measured-server.js';
import type { Entrant } from './plan.js';

const SLOTS = 1_024;
const READY_MS = 60_000;

/** The processes of a peer, with what they need beside them. */
export class MeasuredNodes {
  private readonly servers: MeasuredServer[] = [];
  private bus: Bus | null = null;
  private homes: Job['homes'] = null;

  /** Starts them in a folder, as `MeasuredServer.start` does. */
  static async start(
    { peer, processes = 1 }: Entrant,
    folder: string,
    code: string,
    profileFolder?: string,
    isOnPostgres = false,
  ): Promise<MeasuredNodes> {
    const nodes = new MeasuredNodes();
    try {
      const { bus } = PEERS[peer] as { bus?: 'redis' | 'postgres' };
      if (bus || isOnPostgres) nodes.bus = await Bus.start(bus ?? null, isOurs(peer), folder);
      for (let index = 0; index < processes; index += 1)
        nodes.servers.push(await MeasuredServer.start(peer, folder, code, profileFolder, nodes.bus?.env));
      if (isOurs(peer) && processes > 1) nodes.homes = await nodes.shared();
      return nodes;
    } catch (error) {
      await nodes.stop();
      throw error;
    }
  }

  /** What the generator is told of them. */
  get job(): Pick<Job, 'port' | 'pid' | 'servers' | 'busPid' | 'homes'> {
    const servers = this.servers.map(({ port, pid }) => ({ port, pid }));
    return { ...servers[0]!, servers, busPid: this.bus?.pid ?? null, homes: this.homes };
  }

  get lastWords(): string {
    return this.servers.map(({ lastWords }) => lastWords).join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()));
    await this.bus?.stop();
  }

  /** Waits until all nodes hear each other and have their share of the slots; returns whose each slot is. */
  private async shared(): Promise<number[]> {
    const count = this.servers.length;
    const deadline = performance.now() + READY_MS;
    for (const { port } of this.servers) {
      for (;;) {
        const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
        const of = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(metrics)?.[1]);
        if (of('holdfast_cluster_links') === count - 1 && of('holdfast_cluster_slots') >= Math.floor(SLOTS / count) - 1)
          break;
        if (performance.now() > deadline) throw new Error('the nodes do not share their users');
        await delay(50);
      }
    }
    const database = await new DataSource({ type: 'postgres', url: this.bus!.env['DATABASE_URL']! }).initialize();
    try {
      // Ids rise in the order in which they were started.
      const rows = await database.query<{ place: string }[]>(
        `SELECT (SELECT count(*) FROM holdfast_node other WHERE other.id < slot.node) AS place
         FROM holdfast_slot slot ORDER BY slot`,
      );
      return rows.map(({ place }) => Number(place));
    } finally {
      await database.destroy();
    }
  }
}
