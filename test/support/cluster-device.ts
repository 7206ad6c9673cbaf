import { WebSocket } from 'ws';
import type { WireConversations, WireHistory, WireRecorded, WireSync } from '../../src/protocol/wire.js';
import type { Cluster } from './cluster.js';
import type { Random } from './crash-random.js';
import { eventually } from './deadline.js';
import type { SecondDevice } from './second-device.js';

/** How long a device waits for an answer, and between two visits at most, in milliseconds. */
const PATIENCE_MS = 10_000;
const PAUSE_MS = 1_000;
const MAX_PAGE = 200;
/** Before every position. */
const START = '00000000000';
/** How long it may take until a device has everything, in milliseconds. */
const CATCH_UP_MS = 120_000;

/** What a device asks for. */
interface Question {
  readonly event: 'sync' | 'conversations' | 'history';
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * Another device of a user: it visits any node, asks for what was recorded since the last time, and leaves. When that may
 * not be all, it begins anew with all of its conversations. It confirms nothing, so for delivery it is not there.
 */
export class ClusterDevice implements SecondDevice {
  readonly faults: string[] = [];
  /** How often it had to begin anew. */
  restarts = 0;
  private readonly known = new Map<string, WireRecorded>();
  /** What it has from the pages of conversations comes again with the next `sync`, if it was said meanwhile. */
  private readonly paged = new Set<string>();
  private cursor: string | null = null;
  /** What is to be asked, the next one first. */
  private questions: Question[] = [];
  private isOn = false;
  private visits: Promise<void> = Promise.resolve();

  constructor(
    readonly user: string,
    private readonly cluster: Cluster,
    private readonly random: Random,
  ) {}

  /** What it was told. */
  get items(): readonly WireRecorded[] {
    return [...this.known.values()];
  }

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

  dispose(): Promise<void> {
    return this.turnOff();
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
    if (this.questions.length === 0) this.questions = [this.syncQuestion()];
    const socket = new WebSocket(`${address}?user=${this.user}`, 'chat.v1.json');
    const timer = setTimeout(() => socket.terminate(), PATIENCE_MS);
    const ask = () => {
      const [next] = this.questions;
      if (next) socket.send(JSON.stringify(next));
      else socket.terminate();
    };
    socket.on('open', ask);
    socket.on('message', (frame: Buffer) => {
      const { event, data } = JSON.parse(frame.toString());
      if (event === 'exception' && !data.temporary) this.faults.push(`${this.user} is refused: ${data.code}`);
      if (event === 'exception') return socket.terminate();
      const [asked, ...others] = this.questions;
      if (!asked || event !== asked.event) return;
      this.questions = [...this.learn(asked, data), ...others];
      ask();
    });
    socket.on('error', () => undefined); // 'close' follows.
    await new Promise((resolve) => socket.on('close', resolve));
    clearTimeout(timer);
    return this.questions.length === 0;
  }

  private syncQuestion(): Question {
    const after = this.cursor === null ? {} : { after: this.cursor };
    return { event: 'sync', data: { id: 'sync', ...after, limit: this.random.between(1, MAX_PAGE) } };
  }

  /** Returns what is to be asked because of an answer. */
  private learn({ event, data }: Question, answer: WireSync & WireConversations & WireHistory): Question[] {
    if (event === 'sync') return this.learnSync(answer);
    if (event === 'conversations')
      return answer.items.map((row) => historyQuestion((row as { with?: string }).with!, START));
    for (const item of answer.items as readonly WireRecorded[]) {
      this.known.set(keyOf(item), item);
      this.paged.add(keyOf(item));
    }
    return answer.after === null ? [] : [historyQuestion(data['with'] as string, answer.after)];
  }

  private learnSync({ items, after, more, complete }: WireSync): Question[] {
    const wasKnown = this.cursor !== null;
    this.cursor = after;
    if (wasKnown && !complete) {
      this.restarts += 1;
      this.known.clear();
      this.paged.clear();
      return [{ event: 'conversations', data: { id: 'list', limit: MAX_PAGE } }, this.syncQuestion()];
    }
    for (const item of items) {
      const key = keyOf(item);
      if (this.known.has(key) && !this.paged.has(key)) this.faults.push(`${this.user} was told ${item.id} twice`);
      this.known.set(key, item);
    }
    return more ? [this.syncQuestion()] : [];
  }
}

function historyQuestion(peer: string, after: string): Question {
  return { event: 'history', data: { id: 'page', with: peer, after, limit: MAX_PAGE } };
}

function keyOf({ from, to, id, position }: WireRecorded): string {
  return [from, to, id, position].join('\n');
}
