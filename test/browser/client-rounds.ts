import type { ReceivedMessage } from '../../client/src/api.js';
import { Random } from '../support/crash-random.js';
import { eventually } from '../support/deadline.js';
import { ServerProcess } from '../support/server-process.js';
import { TestClient } from '../support/test-client.js';
import type { ChromiumTab } from './client-stage.js';
import type { ClientPages, Kept, Told } from './client-pages.js';
import { Profile } from './profile.js';

const WRITE_EVERY_MS = 10;
const RECONNECT_MS = 20;
const MAX_PENDING = 500;
/** Alice comes back before the next kill, also when a busy machine took long to start the server. */
const RECONNECT = { minDelayMs: 500, maxDelayMs: 2_000 };
const SETTLE_MS = 30_000;
/** A round ends at a random one of so many entries in the books. */
const MOST_ENTRIES = 200;
/** What pages tell of messages. The rest says how a page fared, for whoever reads a failure. */
const BOOKS: ReadonlySet<Told['what']> = new Set(['tried', 'kept', 'handed']);

export type Victim = 'browser' | 'server' | 'both';

interface Arrived {
  readonly connection: number;
  readonly id: string;
  readonly content: string;
}

/** Bob, who does not use the library: he writes by REST until he has each receipt, and reads by hand. */
class Bob {
  /** What the server has accepted, in order. */
  readonly accepted: string[] = [];
  readonly arrived: Arrived[] = [];
  private socket: TestClient | null = null;
  private connections = 0;
  private isReading = true;
  private isWriting = true;
  private readonly done: Promise<void>[];

  constructor(private readonly server: () => ServerProcess) {
    this.done = [this.read(), this.write()];
  }

  async stopWriting(): Promise<void> {
    this.isWriting = false;
    await this.done[1];
  }

  async leave(): Promise<void> {
    this.isReading = this.isWriting = false;
    this.socket?.socket.close();
    await Promise.all(this.done);
  }

  private async read(): Promise<void> {
    while (this.isReading) {
      try {
        const client = (this.socket = await TestClient.open(`${this.server().socketUrl}?user=bob`, ['chat.v1.json']));
        const connection = (this.connections += 1);
        client.listen((frame) => {
          const { event, data } = JSON.parse(frame) as { event: string; data: Arrived & { seq: number } };
          if (event !== 'message') return;
          this.arrived.push({ connection, id: data.id, content: data.content });
          client.sendJson('ack', { seq: data.seq });
        });
        await client.closed;
      } catch {
        await pause(RECONNECT_MS); // The server is dead, and is started again.
      }
    }
  }

  private async write(): Promise<void> {
    for (let number = 1; this.isWriting; number += 1) {
      const message = { from: 'bob', to: 'alice', content: String(number), id: `bob-${number}` };
      while (this.isWriting && !(await this.isAccepted(message))) await pause(RECONNECT_MS);
      await pause(WRITE_EVERY_MS);
    }
  }

  private async isAccepted(message: { content: string }): Promise<boolean> {
    try {
      const body = JSON.stringify(message);
      const headers = { 'Content-Type': 'application/json' };
      const { ok } = await fetch(`${this.server().url}/chat/messages`, { method: 'POST', headers, body });
      if (ok) this.accepted.push(message.content);
      return ok;
    } catch {
      return false; // Nobody knows. The same id is sent again.
    }
  }
}

/**
 * Alice in a browser and bob write to each other while browser and server are killed again and again. The books are kept
 * by the page's server and by bob, and not by the library.
 */
export class ClientRounds {
  private server!: ServerProcess;
  private alice: ChromiumTab | null = null;
  private bob!: Bob;

  private constructor(
    private readonly databaseUrl: string,
    private readonly pages: ClientPages,
    private readonly profile: Profile,
    private readonly random: Random,
  ) {}

  static async start(databaseUrl: string, pages: ClientPages, profile: Profile, seed: number): Promise<ClientRounds> {
    const rounds = new ClientRounds(databaseUrl, pages, profile, new Random(seed));
    rounds.server = await ServerProcess.start({ DATABASE_URL: databaseUrl });
    rounds.bob = new Bob(() => rounds.server);
    await rounds.startBrowser();
    return rounds;
  }

  /** Both write until a random moment; then the victim is killed, and started again. */
  async play(victim: Victim): Promise<void> {
    const count = this.count + this.random.between(1, MOST_ENTRIES);
    await eventually(
      () => this.count >= count,
      () => `${count} entries before the ${victim} is killed; there are ${this.count}; ${this.server.stderr}`,
      SETTLE_MS,
    );
    if (victim !== 'server') await this.profile.kill();
    if (victim !== 'browser') {
      const { port } = new URL(this.server.url);
      await this.server.kill();
      this.server = await ServerProcess.start({ DATABASE_URL: this.databaseUrl, PORT: port });
    }
    if (victim !== 'server') await this.startBrowser();
  }

  /** Nobody writes any more, and everything arrives; returns what is wrong in the books. */
  async settle(): Promise<string[]> {
    await this.bob.stopWriting();
    await this.alice!.page.reload(); // Ends her writing in the middle of a message.
    let left = '';
    await eventually(
      async () => {
        const waiting = await Promise.all(['alice', 'bob'].map((user) => this.pendingOf(user)));
        const rows = await this.alice!.rows();
        left = JSON.stringify({ waiting, rows, outbox: await this.alice!.pending() });
        return waiting.every((count) => count === 0) && rows['outbox'] === 0 && rows['inbox'] === 0;
      },
      () => `everything arrives; there is ${left}`,
      SETTLE_MS,
    );
    return this.faults();
  }

  /** What came, for the log of a run. */
  get totals(): Record<string, number> {
    const handed = this.told('handed') as ReceivedMessage[];
    const kept = this.told('kept') as Kept[];
    return {
      keptByAlice: kept.length,
      keptInMemory: kept.filter(({ persistent }) => !persistent).length,
      arrivedAtBob: new Set(this.bob.arrived.map(({ content }) => content)).size,
      acceptedOfBob: this.bob.accepted.length,
      handedToAlice: new Set(handed.map(({ content }) => content)).size,
      handedAgain: handed.filter(({ redelivered }) => redelivered).length,
    };
  }

  async dispose(): Promise<void> {
    await this.bob.leave();
    await this.server.kill();
  }

  /** How much has happened. */
  private get count(): number {
    return this.bob.arrived.length + this.pages.told.filter(({ what }) => BOOKS.has(what)).length;
  }

  private told(what: Told['what']): unknown[] {
    return this.pages.told.filter((told) => told.what === what).map(({ data }) => data);
  }

  private async startBrowser(): Promise<void> {
    const address = this.pages.addressOf('alice', {
      url: this.server.socketUrl,
      user: 'alice',
      reconnect: RECONNECT,
    });
    this.alice = await this.profile.start('alice', address);
    const last = (this.told('tried') as number[]).at(-1) ?? 0;
    await this.alice.run(`void writeFrom(${last + 1}, 'bob', ${WRITE_EVERY_MS}, ${MAX_PENDING})`);
  }

  private async pendingOf(user: string): Promise<number> {
    const response = await fetch(`${this.server.url}/chat/users/${user}`);
    return ((await response.json()) as { pending: number }).pending;
  }

  /** These messages, page by page, with how the page fared that has written them. */
  private byPage(numbers: readonly string[]): string[] {
    const pages = new Map<string, string[]>();
    for (const number of numbers) {
      const life = this.lifeOf(number);
      pages.set(life, [...(pages.get(life) ?? []), number]);
    }
    return [...pages].map(([life, written]) => `${written.join(' ')}, written by a page that told ${life}`);
  }

  /** What the page has told that wrote this message: its states and errors, and how it kept its first and last one. */
  private lifeOf(number: string): string {
    const { told } = this.pages;
    const at = told.findIndex(({ what, data }) => what === 'kept' && (data as Kept).number === Number(number));
    const from = told.findLastIndex(({ what }, index) => what === 'began' && index < at);
    const next = told.findIndex(({ what }, index) => what === 'began' && index > at);
    const life = told.slice(from, next < 0 ? undefined : next);
    const kept = life.filter(({ what }) => what === 'kept');
    const shown = life.filter((each) => !BOOKS.has(each.what) || each === kept[0] || each === kept.at(-1));
    return JSON.stringify(shown.map(({ what, data }) => [what, data]));
  }

  private faults(): string[] {
    const arrived = this.bob.arrived.map(({ content }) => content);
    const onceAConnection = this.bob.arrived.map(({ connection, id }) => `${id} on connection ${connection}`);
    const ids = new Map(this.bob.arrived.map(({ id, content }) => [id, content]));
    const kept = this.told('kept') as Kept[];
    const numbersOf = (isPersistent: boolean) =>
      kept.filter(({ persistent }) => persistent === isPersistent).map(({ number }) => String(number));
    const handed = this.told('handed') as ReceivedMessage[];
    const handedBefore = new Set<string>();
    const unmarked = handed.filter(({ content, redelivered }) => {
      const isRepeat = handedBefore.size === handedBefore.add(content).size;
      return isRepeat && !redelivered;
    });
    return [
      ...this.byPage(missing(numbersOf(true), arrived)).map((lost) => `bob never got ${lost}`),
      // Nothing is wrong with the disk here. What only the memory has may be lost.
      ...this.byPage(numbersOf(false)).map((forgotten) => `only the memory had ${forgotten}`),
      ...missing(this.bob.accepted, handedContents(handed)).map((number) => `alice was never handed ${number}`),
      ...disorder(arrived).map((number) => `bob got ${number} too late`),
      ...disorder(handedContents(handed)).map((number) => `alice was handed ${number} too late`),
      ...repeated(onceAConnection).map((repeat) => `bob got ${repeat} twice`),
      ...repeated([...ids.values()]).map((number) => `bob got ${number} under two ids`),
      ...unmarked.map(({ content }) => `alice was handed ${content} again without a mark`),
      ...this.told('refused').map((refusal) => `refused: ${JSON.stringify(refusal)}`),
    ];
  }
}

const handedContents = (handed: readonly ReceivedMessage[]): string[] => handed.map(({ content }) => content);

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function missing(expected: readonly string[], found: readonly string[]): string[] {
  const all = new Set(found);
  return expected.filter((content) => !all.has(content));
}

/** Those that came for the first time after a greater one. */
function disorder(contents: readonly string[]): string[] {
  let greatest = 0;
  return [...new Set(contents)].filter((content) => {
    const isLate = Number(content) < greatest;
    greatest = Math.max(greatest, Number(content));
    return isLate;
  });
}

function repeated(keys: readonly string[]): string[] {
  const seen = new Set<string>();
  return keys.filter((key) => seen.size === seen.add(key).size);
}
