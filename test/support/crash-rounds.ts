import { Recipient, Sender, type Habit, type Happening, type CrowdContext } from './crash-crowd.js';
import { balancedTotals } from './crash-server.js';
import { eventually, withDeadline } from './deadline.js';
import { History } from './history.js';
import { Random } from './crash-random.js';
import type { Exit, ServerProcess } from './server-process.js';

const SENDERS = 4;
const HABITS: readonly Habit[] = [
  'prompt',
  'prompt',
  'prompt',
  'prompt',
  'silent',
  'silent',
  'dropping',
  'dropping',
  'text',
  'text',
];
/** How long one run may take until its moment has come, in milliseconds. */
const ROUND_MS = 20_000;
const SETTLE_MS = 30_000;

/** When a server is killed: at the `count`-th event of this kind. */
export interface Moment {
  readonly happening: Happening;
  readonly count: number;
}

/** A random moment, early ones more often: also while everybody connects, sends again and reads its backlog. */
export function randomMoment(random: Random): Moment {
  const happening = random.pick(['attempt', 'receipt', 'arrival'] as const);
  return { happening, count: 1 + Math.floor(2_000 * random.next() ** 2) };
}

/** Senders and recipients who use one server after the other, and their history. */
export class CrashRounds implements CrowdContext {
  readonly history = new History();
  readonly recipients = HABITS.map((habit, index) => `${habit}-${index}`);
  readonly random: Random;
  running = false;
  ending = false;
  private readonly senders: Sender[];
  private readonly peers: (Sender | Recipient)[];
  private connected = 0;
  private onHappened: (happening: Happening) => void = () => undefined;
  private onEverybodyLeft: () => void = () => undefined;

  constructor(seed: number) {
    this.random = new Random(seed);
    this.senders = Array.from({ length: SENDERS }, (_, index) => new Sender(`sender-${index}`, this));
    this.peers = [
      ...this.senders,
      ...HABITS.map((habit, index) => new Recipient(this.recipients[index]!, this, habit)),
    ];
  }

  /** Everybody connects and is active until the moment has come and the server is ended; returns how it ended. */
  async play(
    server: ServerProcess,
    { happening, count }: Moment,
    end: () => void = () => void server.kill(),
  ): Promise<Exit> {
    let left = count;
    this.onHappened = (happened) => {
      if (happened !== happening || (left -= 1) !== 0) return;
      this.running = false;
      end();
    };
    const everybodyLeft = this.enter(server);
    const inTime = <Result>(promise: Promise<Result>) =>
      withDeadline(promise, () => `${left} more of ${count} ${happening}s; ${server.stderr}`, ROUND_MS);
    const exit = await inTime(server.exited);
    this.running = false; // It is still true when the server has ended by itself.
    await inTime(everybodyLeft);
    this.history.restarted();
    return exit;
  }

  /**
   * Everybody connects and acknowledges until nothing waits and every sender has its receipts. Nobody sends anything
   * new.
   */
  async settle(server: ServerProcess): Promise<void> {
    this.ending = true;
    this.onHappened = () => undefined;
    const everybodyLeft = this.enter(server);
    let totals = await balancedTotals(server);
    await eventually(
      async () => {
        totals = await balancedTotals(server);
        return totals.pending + totals.inFlight === 0 && this.senders.every((sender) => sender.isAnswered);
      },
      () => `nothing waits; ${JSON.stringify(totals)}, and ${this.history.unanswered} messages are unanswered`,
      SETTLE_MS,
    );
    this.running = false;
    for (const peer of this.peers) peer.leave();
    await withDeadline(everybodyLeft, () => 'everybody has left');
  }

  /** However the test ended, nobody stays connected or connects again. */
  abandon(): void {
    this.running = false;
    for (const peer of this.peers) peer.abandon();
  }

  onHappening(happening: Happening): void {
    this.onHappened(happening);
  }

  onOpened(): void {
    this.connected += 1;
  }

  onClosed(): void {
    this.connected -= 1;
    if (this.connected === 0 && !this.running) this.onEverybodyLeft();
  }

  private enter(server: ServerProcess): Promise<void> {
    this.running = true;
    const everybodyLeft = new Promise<void>((resolve) => (this.onEverybodyLeft = resolve));
    for (const peer of this.random.shuffled(this.peers)) peer.connect(server.socketUrl);
    return everybodyLeft;
  }
}
