import { slotOf } from '../../../src/offline-messages/slot.js';
import { ModelClient } from './model-client.js';
import { ModelNetwork } from './model-network.js';
import { ModelNode } from './model-node.js';
import { ModelPostgres } from './model-postgres.js';
import { sabotage, type Mutant } from './mutants.js';
import { VirtualTime } from './virtual-time.js';

const NODES = 3;
/** For how long faults happen, and how long all may take to be well again, in milliseconds. */
const FAULTS_MS = 120_000;
const HEALING_MS = 60_000;

/** Five users in four slots. */
const USERS = ['u0', 'u1', 'u2', 'u3', collidingWith('u0')];

/** How often each fault happens, relative to the others. */
export type Faults = Readonly<Record<Fault, number>> & {
  /** One fault in 3 s with 1. */
  readonly pace: number;
};

type Fault = 'kill' | 'stop' | 'loss' | 'cut' | 'handover' | 'outage';

export const ALL_FAULTS: Faults = { kill: 22, stop: 23, loss: 15, cut: 10, handover: 22, outage: 8, pace: 1 };

export interface ModelResult {
  /** What was found to be wrong; none when every promise was kept. */
  readonly complaints: readonly string[];
  readonly messages: number;
  readonly refusals: number;
  readonly takeovers: number;
}

/**
 * Three nodes, five clients, and two minutes of faults in virtual time, after which everything heals. Then every promise
 * has to be kept. Time, chance, the database and the network are the model's; everything else is the real thing.
 */
export class ClusterModel {
  readonly time: VirtualTime;
  readonly users = USERS;
  readonly nodes: ModelNode[];
  refusals = 0;
  private readonly postgres: ModelPostgres;
  private readonly network: ModelNetwork;
  private readonly clients: ModelClient[] = [];
  private readonly complaints: string[] = [];
  private isCalm = false;

  private constructor(
    seed: number,
    private readonly faults: Faults,
    mutant: Mutant | null,
  ) {
    this.time = new VirtualTime(seed);
    this.postgres = new ModelPostgres(this.time, [...new Set(USERS.map(slotOf))], mutant !== 'no fence, no lease');
    this.network = new ModelNetwork(this.time);
    this.nodes = Array.from({ length: NODES }, () => new ModelNode(this.time, this.postgres, this.network, mutant));
  }

  static async run(seed: number, mutant: Mutant | null = null, faults: Faults = ALL_FAULTS): Promise<ModelResult> {
    const restore = sabotage(mutant);
    try {
      return await new ClusterModel(seed, faults, mutant).run();
    } finally {
      restore();
    }
  }

  /** Notes something that must not happen. */
  complain(complaint: string): void {
    this.complaints.push(`${(this.time.now / 1_000).toFixed(3)}: ${complaint}`);
  }

  private async run(): Promise<ModelResult> {
    const { time } = this;
    time.after(2_000, () => this.clients.push(...USERS.map((user) => new ModelClient(this, user))));
    time.after(4_000, () => this.makeFault());
    await time.run(FAULTS_MS);
    this.heal();
    await time.run(FAULTS_MS + HEALING_MS);
    this.check();
    for (const { process } of this.nodes) process.kill();
    const messages = this.clients.reduce((sum, { sentCount }) => sum + sentCount, 0);
    return { complaints: this.complaints, messages, refusals: this.refusals, takeovers: this.postgres.takeovers };
  }

  private makeFault(): void {
    if (this.isCalm) return;
    const { time } = this;
    const node = time.pick(this.nodes);
    const { process } = node;
    switch (this.pickFault()) {
      case 'kill':
        if (process.state !== 'dead') node.kill();
        time.after(500 + time.chance() * 6_000, () => node.process.state === 'dead' && node.start());
        break;
      case 'stop':
        process.stop();
        time.after(500 + time.chance() * (time.chance() < 0.5 ? 4_000 : 25_000), () => process.goOn());
        break;
      case 'loss':
        this.network.lose(...this.pair());
        break;
      case 'cut':
        this.network.cut(...this.pair(), 500 + time.chance() * 4_000);
        break;
      case 'handover': {
        const slot = time.pick([...this.postgres.slots.values()]);
        const ids = [...this.postgres.nodes.keys()];
        if (ids.length === 0) break;
        slot.wanted = time.pick(ids);
        this.postgres.version += 1;
        break;
      }
      case 'outage':
        this.postgres.isDown = true;
        time.after(500 + time.chance() * (time.chance() < 0.5 ? 8_000 : 25_000), () => (this.postgres.isDown = false));
    }
    time.after((500 + time.chance() * 5_000) / this.faults.pace, () => this.makeFault());
  }

  private pickFault(): Fault {
    const { pace: _pace, ...weights } = this.faults;
    const entries = Object.entries(weights) as [Fault, number][];
    let left = this.time.chance() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    return entries.find(([, weight]) => (left -= weight) < 0)?.[0] ?? 'loss';
  }

  /** The ids of two nodes. */
  private pair(): [number, number] {
    const { time } = this;
    const one = time.pick(this.nodes);
    const other = time.pick(this.nodes.filter((node) => node !== one));
    return [one.membership.self, other.membership.self];
  }

  private heal(): void {
    this.isCalm = true;
    this.postgres.isDown = false;
    this.network.heal();
    for (const node of this.nodes) {
      node.process.goOn();
      if (node.process.state === 'dead') node.start();
    }
    for (const client of this.clients) {
      client.isQuiet = true;
      client.abandon(); // Who was slow reads now.
    }
  }

  private check(): void {
    for (const client of this.clients) {
      if (client.outbox.length > 0) this.complain(`unanswered: ${client.outbox.map(({ id }) => id).join(' ')}`);
      for (const key of client.receipted) this.checkSeen(client.user, key);
      this.checkOrder(client);
      this.checkConnections(client);
    }
    const left = [...this.postgres.rows.values()].flat();
    if (left.length > 0) this.complain(`rows left: ${left.map(({ id }) => id).join(' ')}`);
    for (const { home } of this.nodes) {
      const { accepted, confirmed, pending, inFlight, handedOver, ...rest } = home.totals;
      if (accepted !== confirmed + pending + inFlight + handedOver || pending !== 0 || inFlight !== 0)
        this.complain(
          `the books do not balance: ${JSON.stringify({ accepted, confirmed, pending, inFlight, handedOver, ...rest })}`,
        );
    }
  }

  private checkSeen(from: string, key: string): void {
    const [to, number] = key.split('/') as [string, string];
    const recipient = this.clients.find(({ user }) => user === to)!;
    if (!recipient.seen.get(from)?.includes(Number(number))) this.complain(`lost: ${from} to ${key}`);
  }

  /** A message that was refused may come nevertheless, and at any time: nothing was promised. */
  private checkOrder(recipient: ModelClient): void {
    for (const [from, seen] of recipient.seen) {
      const { refused } = this.clients.find(({ user }) => user === from)!;
      const numbers = seen.filter((number) => !refused.has(`${recipient.user}/${number}`));
      const index = numbers.findIndex((number, at) => at > 0 && number < numbers[at - 1]!);
      if (index >= 0)
        this.complain(
          `order: ${from} to ${recipient.user}: ${numbers.slice(Math.max(0, index - 3), index + 3).join(' ')}`,
        );
    }
  }

  private checkConnections({ user, connection }: ModelClient): void {
    const open = this.nodes.flatMap((node) =>
      [...node.connections].filter((each) => each.user === user && each.isOpen),
    );
    if (open.length !== 1 || open[0] !== connection)
      this.complain(`${user} has ${open.length} connections, or not the newest`);
  }
}

/** Returns a user whose slot is that of another. */
function collidingWith(user: string): string {
  for (let n = 4; ; n += 1) if (slotOf(`u${n}`) === slotOf(user)) return `u${n}`;
}
