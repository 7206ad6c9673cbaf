import type { Cluster } from './cluster.js';
import { Random } from './crash-random.js';
import { eventually } from './deadline.js';
import { History } from './history.js';
import type { ClusterPeer } from './cluster-peer.js';
import { ClusterReader, type Habit } from './cluster-reader.js';
import { ClusterSender } from './cluster-sender.js';

const SENDERS = 6;
const HABITS: readonly Habit[] = [
  'prompt',
  'prompt',
  'prompt',
  'slow',
  'slow',
  'dropping',
  'roaming',
  'roaming',
  'away',
  'text',
];
/** Closed with by nodes that stop, die or are full, without any fault of theirs. */
const FORESEEN = [1001, 1006, 1012, 1013];
/** What has not arrived, or has no answer, has to become less within this time, in milliseconds. */
const SETTLE_MS = 120_000;
/** How long the next receipt may take to come, in milliseconds. */
const GO_ON_MS = 120_000;

/** What a crowd is like. */
export interface CrowdOptions {
  /** Of each reader. */
  readonly habits?: readonly Habit[];
  /** What a connection may be closed with, beside what its peer does itself. */
  readonly foreseen?: readonly number[];
  /** The setting of the nodes. With `multiple`, whoever goes on over another connection ends the one before. */
  readonly sessions?: 'replace' | 'multiple';
}

/** Senders and readers who connect to any node, and again to any other, and what they saw. */
export class ClusterCrowd {
  readonly history = new History({ parts: 'may-fail' });
  readonly random: Random;
  /** For the faults alone: how often the crowd draws depends on time, and a seed has to repeat the faults. */
  readonly faults: Random;
  readonly recipients: readonly string[];
  readonly foreseen: readonly number[];
  readonly sessions: 'replace' | 'multiple';
  /** Senders go on over another connection now and then. */
  readonly doSendersRoam: boolean;
  /** Nothing new is sent, and everybody stays and acknowledges. */
  isEnding = false;
  /** The crowd is not dismissed. */
  isThere = true;
  private readonly senders: readonly ClusterSender[];
  private readonly readers: readonly ClusterReader[];
  private readonly heartbeat: NodeJS.Timeout;

  constructor(
    private readonly cluster: Cluster,
    seed: number,
    { habits = HABITS, foreseen = FORESEEN, sessions = 'replace' }: CrowdOptions = {},
  ) {
    this.recipients = habits.map((habit, index) => `${habit}-${index}`);
    this.foreseen = foreseen;
    this.sessions = sessions;
    this.doSendersRoam = habits.includes('roaming');
    this.random = new Random(seed);
    this.faults = new Random(seed);
    this.senders = Array.from({ length: SENDERS }, (_, index) => new ClusterSender(`sender-${index}`, this));
    this.readers = habits.map((habit, index) => new ClusterReader(this.recipients[index]!, this, habit));
    for (const peer of this.random.shuffled(this.peers)) peer.connect();
    // Every sender writes now and then, and not as fast as it can: a long run has to fit into memory.
    this.heartbeat = setInterval(() => this.senders.forEach((sender) => sender.beat()), 20);
  }

  address(): string | null {
    return this.cluster.address(this.random);
  }

  /** Whether this is the address of a node that runs, and that keeps its connections. */
  isServed(address: string): boolean {
    return this.cluster.isThere(address);
  }

  /** How many receipts its senders have. */
  get receipts(): number {
    return this.senders.reduce((sum, { receipts }) => sum + receipts, 0);
  }

  /** Some go on over another connection, as people do who walk from one network into another. */
  roam(): void {
    for (const peer of this.peers) if (this.random.between(1, 3) === 1) peer.roam();
  }

  /** Waits until its senders have that many more receipts; one has to come within this time of the one before. */
  async goesOn(count: number, ms = GO_ON_MS): Promise<void> {
    const goal = this.receipts + count;
    while (this.receipts < goal) {
      const before = this.receipts;
      await this.eventually(
        () => this.receipts > before,
        () => `another receipt, of ${goal - before} more`,
        ms,
      );
    }
  }

  /** Everybody connects and acknowledges until nothing waits, every sender has its answers and the books balance. */
  async settle(): Promise<void> {
    this.isEnding = true;
    for (const reader of this.readers) reader.beat();
    let left = await this.left();
    while (left !== '') {
      const before = left;
      const isLess = async () => (left = await this.left()) !== before;
      await this.eventually(isLess, () => `something of what is left goes on: ${left}`, SETTLE_MS);
    }
  }

  private async eventually(claim: () => boolean | Promise<boolean>, what: () => string, ms: number): Promise<void> {
    try {
      await eventually(claim, what, ms);
    } catch (error) {
      throw new Error(`${String(error)}\n${await this.cluster.report()}`, { cause: error });
    }
  }

  /** Sends and reads as before, after it was settled. */
  resume(): void {
    this.isEnding = false;
  }

  /** However the test ended, nobody stays connected or connects again. */
  dismiss(): void {
    this.isThere = false;
    clearInterval(this.heartbeat);
    for (const peer of this.peers) peer.leave();
  }

  /** What is not settled, in words; empty when all is. */
  private async left(): Promise<string> {
    const away = this.peers.filter(({ isOpen }) => !isOpen).map(({ user }) => user);
    if (away.length > 0) return `${away.join()} are not connected`;
    const unanswered = this.senders.reduce((sum, sender) => sum + sender.unanswered, 0);
    if (unanswered > 0) return `${unanswered} messages have no answer`;
    const books = await this.cluster.books();
    const waiting = books.reduce((sum, { pending, inFlight }) => sum + pending + inFlight, 0);
    if (waiting > 0) return `the nodes have ${JSON.stringify(books)}`;
    const users = await this.cluster.connectedUsers();
    const twice = users.filter((user, index) => users.indexOf(user) !== index);
    if (twice.length > 0) return `${twice.join()} are connected twice`;
    if (users.length !== this.peers.length) return `${users.length} users of ${this.peers.length} are connected`;
    const outstanding = await this.cluster.metric('holdfast_cluster_outstanding_sends');
    return outstanding > 0 ? `${outstanding} sends are outstanding between nodes` : '';
  }

  private get peers(): readonly ClusterPeer[] {
    return [...this.senders, ...this.readers];
  }
}
