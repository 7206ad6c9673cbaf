import fc from 'fast-check';
import { MemoryStore, type ReceivedMessage } from 'holdfast-client';
import { ChatApp } from '../../support/chat-app.js';
import { ClientPage, CutSockets, type Cut } from '../../support/client-page.js';
import { eventually } from '../../support/deadline.js';
import { SEED } from '../../support/seed.js';

/** A store that outlives its pages, as IndexedDB does. */
class LastingStore extends MemoryStore {
  override readonly persistent = true as never;
}

/** Somebody with a page that is killed and opened again, and the books of what was sent and handed. */
class Person {
  readonly sent: string[] = [];
  readonly handed: ReceivedMessage[] = [];
  readonly settled = new Map<string, string>();
  readonly store = new LastingStore();
  private page: ClientPage;

  constructor(
    private readonly chat: ChatApp,
    readonly name: string,
    private readonly cuts: readonly Cut[],
  ) {
    this.page = this.open(this.cuts);
  }

  send(to: string): void {
    const id = `${this.name}-${this.sent.length}`;
    this.sent.push(id);
    this.page.client.send(to, id, { id });
  }

  /** Ends the page, and opens another one. What was sent and not kept is lost with it, as a person expects. */
  async reload(): Promise<void> {
    await Promise.all(this.page.client.pending.map(({ id }) => this.keptOf(id)));
    this.page.kill();
    this.page = this.open([]);
  }

  get client() {
    return this.page.client;
  }

  private keptOf(id: string): Promise<unknown> {
    const { to, content } = this.page.client.pending.find((message) => message.id === id)!;
    return this.page.client.send(to!, content, { id }).kept;
  }

  private open(cuts: readonly Cut[]): ClientPage {
    const page = new ClientPage(this.chat.url(this.name), this.store, new CutSockets(cuts));
    page.client.on('message', (message) => void this.handed.push(message));
    page.client.on('receipt', ({ id, status }) => this.settled.has(id) || this.settled.set(id, status));
    page.client.connect();
    return page;
  }
}

const cuts = fc.array(fc.record({ frames: fc.integer({ min: 1, max: 12 }), losesLast: fc.boolean() }), {
  maxLength: 8,
});
const steps = fc.array(fc.constantFrom('alice', 'alice', 'bob', 'bob', 'reload alice', 'reload bob'), {
  minLength: 1,
  maxLength: 40,
});

describe('the books of two clients', () => {
  let chat: ChatApp;
  beforeAll(async () => {
    chat = await ChatApp.start();
  });
  afterAll(() => chat.dispose());

  it('balance after any cuts and reloads: each message is handed once, in order, and has its receipt', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(cuts, cuts, steps, async (cutsOfAlice, cutsOfBob, script) => {
        run += 1;
        const alice = new Person(chat, `alice${run}`, cutsOfAlice);
        const bob = new Person(chat, `bob${run}`, cutsOfBob);
        for (const step of script) {
          if (step === 'alice') alice.send(bob.name);
          else if (step === 'bob') bob.send(alice.name);
          else await (step === 'reload alice' ? alice : bob).reload();
        }
        await eventually(
          () => isBalanced(alice, bob) && isBalanced(bob, alice),
          () => booksOf(alice, bob),
        );
        for (const person of [alice, bob]) {
          for (const status of person.settled.values()) expect(['delivered', 'stored']).toContain(status);
          expect(repeats(person).every(({ redelivered }) => redelivered)).toBe(true);
          await person.client.close();
          expect(await Promise.all([person.store.outbox(), person.store.inbox()])).toEqual([[], []]);
        }
      }),
      { numRuns: Number(process.env['BOOKS_RUNS'] ?? 100), seed: SEED },
    );
  }, 600_000);
});

/**
 * Everything that one has sent was handed to the other, in order, and has its receipt. A page that ends between a receipt
 * and its store leaves the message to the next page, which sends it again.
 */
function isBalanced(from: Person, to: Person): boolean {
  const isSettled = from.settled.size === from.sent.length && from.client.pending.length === 0;
  return isSettled && String(firstHanded(to)) === String(from.sent);
}

function booksOf(...people: Person[]): string {
  const book = (person: Person) => ({ sent: person.sent, settled: [...person.settled], handed: firstHanded(person) });
  return JSON.stringify(people.map(book));
}

function firstHanded({ handed }: Person): string[] {
  return [...new Set(handed.map(({ id }) => id))];
}

/** What was handed more than once, without the first time. */
function repeats({ handed }: Person): ReceivedMessage[] {
  return handed.filter((message, n) => handed.findIndex(({ id }) => id === message.id) < n);
}
