import { keyOf, MAX_SEEN, type InboxMessage, type OutboxEntry, type Store } from './store.js';

/** Where a store under test keeps things: a file, a database. It is empty at first. */
export interface StorePlace {
  /** Opens the store that is there, with what an earlier one has written. */
  open(): Promise<Store>;
  /** Whether a second store may be opened while the first one is, as another tab does. */
  readonly isShared?: boolean;
  /** Removes all that is there. Its stores are closed then. */
  remove(): Promise<void>;
}

/** A promise that every store keeps. */
export interface StoreCase {
  /** The promise, as the title of a test. */
  readonly title: string;
  /** Rejects with an Error that says what is wrong if the store does not keep it. May take seconds. */
  readonly run: (makePlace: () => Promise<StorePlace>) => Promise<void>;
}

interface Setup {
  readonly store: Store;
  /** Closes the store and opens it again. */
  readonly reopen: () => Promise<Store>;
  /** Another store in the same place; the same one where only one may be open. */
  readonly second: () => Promise<Store>;
}

type Check = (setup: Setup) => Promise<void>;

const WELL_ABOVE_MAX = MAX_SEEN + 5_000;
const BATCH = 1_000;

/** Everything that a message may have in it. */
const ODD_TEXTS = ['', ' ', 'two\nlines\r\n', '"\\"', '\u0000\u001b[31m', '\u2028\u2029', 'שלום', '👩‍👩‍👧', '\ud800'];

const entry = (id: string, content = `content of ${id}`): OutboxEntry => ({ id, to: 'bob', content, at: 1_000 });

const message = (id: string, content = `content of ${id}`, from = 'alice'): InboxMessage => ({
  id,
  from,
  to: 'bob',
  content,
  sentAt: '2026-11-23T09:30:00.000Z',
  stored: true,
});

const idsOf = (items: readonly { readonly id: string }[]) => items.map(({ id }) => id);

/** Throws unless both are the same value, whatever the order of their fields. */
function same(actual: unknown, expected: unknown, what: string): void {
  const [has, wanted] = [actual, expected].map((value) => JSON.stringify(value, sorted));
  if (has !== wanted) throw new Error(`${what}: ${shortened(has)} instead of ${shortened(wanted)}`);
}

function sorted(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function shortened(text = 'nothing'): string {
  return text.length > 500 ? `${text.slice(0, 500)}…` : text;
}

const CHECKS: Readonly<Record<string, Check>> = {
  'keeps the outbox in the order of the calls, also when nobody waits between them': async ({ store }) => {
    const ids = Array.from({ length: 50 }, (_, index) => `id-${index}`);
    await Promise.all(ids.map((id) => store.append(entry(id))));
    same(idsOf(await store.outbox()), ids, 'the outbox');
  },

  'keeps every field of what is sent, whatever is in the text': async ({ store }) => {
    const extras = { meta: { a: [1, { b: null }] }, ttl: 60, topic: 't', urgency: 'high' } as const;
    const entries: OutboxEntry[] = ODD_TEXTS.map((content, index) => ({
      ...entry(`id-${index}`, content),
      to: content || 'bob',
      ...(index % 2 === 0 && extras),
    }));
    for (const each of entries) await store.append(each);
    same(await store.outbox(), entries, 'the outbox');
  },

  'leaves an id in its place that is there already': async ({ store }) => {
    await store.append(entry('a'));
    await store.append(entry('b'));
    await store.append(entry('a'));
    await Promise.all([store.append(entry('c')), store.append(entry('d')), store.append(entry('c'))]);
    same(idsOf(await store.outbox()), ['a', 'b', 'c', 'd'], 'the outbox');
  },

  'removes what is settled, and ignores ids that are not there': async ({ store }) => {
    for (const id of ['a', 'b', 'c']) await store.append(entry(id));
    await store.settle(['b', 'never there', 'b']);
    await store.settle([]);
    same(idsOf(await store.outbox()), ['a', 'c'], 'the outbox');
  },

  'puts a settled id at the end when it is appended anew, also in the same moment': async ({ store }) => {
    for (const id of ['a', 'b']) await store.append(entry(id));
    await Promise.all([store.settle(['a']), store.append(entry('a'))]);
    same(idsOf(await store.outbox()), ['b', 'a'], 'the outbox');
    await Promise.all([store.append(entry('c')), store.settle(['c']), store.append(entry('c')), store.settle(['c'])]);
    same(idsOf(await store.outbox()), ['b', 'a'], 'the outbox in the end');
  },

  'receives what was never seen, and returns it in order': async ({ store }) => {
    same(await store.receive([message('a'), message('b')]), [message('a'), message('b')], 'at first');
    const next = await store.receive([message('c'), message('a'), message('d'), message('b')]);
    same(idsOf(next), ['c', 'd'], 'then');
    same(idsOf(await store.receive([message('d')])), [], 'at last');
    same(idsOf(await store.receive([])), [], 'of none');
  },

  'receives a message once that is twice in one call': async ({ store }) => {
    same(idsOf(await store.receive([message('a'), message('b'), message('a')])), ['a', 'b'], 'returned');
    same(idsOf(await store.inbox()), ['a', 'b'], 'the inbox');
  },

  'receives a message once that comes by two ways at once': async ({ store, second }) => {
    const other = await second();
    const messages = Array.from({ length: 20 }, (_, index) => message(`id-${index}`));
    const returned = await Promise.all([store.receive(messages), other.receive(messages)]);
    same(idsOf(returned.flat()).toSorted(), idsOf(messages).toSorted(), 'returned by either');
    same(idsOf(await store.inbox()).toSorted(), idsOf(messages).toSorted(), 'the inbox');
  },

  'tells messages of different senders apart that have the same id': async ({ store }) => {
    const both = [message('a'), message('a', 'other', 'carol')];
    same(await store.receive(both), both, 'returned');
    await store.handled([keyOf(both[0]!)]);
    same(await store.inbox(), [both[1]], 'the inbox');
  },

  'keeps every field of what came, whatever is in the text': async ({ store }) => {
    const messages = ODD_TEXTS.map((text, index) =>
      message(`id-${index}`, text, `sender ${text.replaceAll('\n', '')}`),
    );
    same(await store.receive(messages), messages, 'returned');
    same(await store.inbox(), messages, 'the inbox');
  },

  'has in the inbox, in order, what was not handled': async ({ store }) => {
    await store.receive(['a', 'b', 'c'].map((id) => message(id)));
    await store.handled([keyOf(message('b')), keyOf(message('never there'))]);
    await store.receive([message('d')]);
    same(idsOf(await store.inbox()), ['a', 'c', 'd'], 'the inbox');
  },

  'knows as seen what was handled': async ({ store }) => {
    await store.receive([message('a')]);
    await store.handled([keyOf(message('a'))]);
    same(await store.receive([message('a')]), [], 'returned');
    same(await store.inbox(), [], 'the inbox');
  },

  'knows the last MAX_SEEN messages as seen, and sooner or later forgets older ones': async ({ store }) => {
    const all = Array.from({ length: WELL_ABOVE_MAX }, (_, index) => message(`id-${index}`, ''));
    for (let from = 0; from < all.length; from += BATCH) {
      const batch = all.slice(from, from + BATCH);
      same((await store.receive(batch)).length, batch.length, `new from ${from}`);
      await store.handled(batch.map(keyOf));
    }
    const last = all.slice(-MAX_SEEN);
    for (let from = 0; from < last.length; from += BATCH) {
      same((await store.receive(last.slice(from, from + BATCH))).length, 0, 'new of the last MAX_SEEN');
    }
    same(idsOf(await store.receive(all.slice(0, 1))), ['id-0'], 'the oldest');
  },

  'has nothing after it was cleared': async ({ store }) => {
    await store.append(entry('a'));
    await store.receive([message('a'), message('b')]);
    await store.handled([keyOf(message('b'))]);
    await store.clear();
    same(await store.outbox(), [], 'the outbox');
    same(await store.inbox(), [], 'the inbox');
    same(idsOf(await store.receive([message('b'), message('a')])), ['b', 'a'], 'not seen any more');
  },

  'has what it had after it was opened again, if it is persistent': async ({ store, reopen }) => {
    if (!store.persistent) return;
    for (const id of ['a', 'b', 'c']) await store.append(entry(id));
    await store.settle(['b']);
    await store.receive(['a', 'b', 'c'].map((id) => message(id)));
    await store.handled([keyOf(message('b'))]);
    const again = await reopen();
    same(await again.outbox(), [entry('a'), entry('c')], 'the outbox');
    same(await again.inbox(), [message('a'), message('c')], 'the inbox');
    same(idsOf(await again.receive([message('c'), message('b'), message('d')])), ['d'], 'new');
  },

  'has written all that was asked for before it is closed, if it is persistent': async ({ store, reopen }) => {
    if (!store.persistent) return;
    const begun = [store.append(entry('a')), store.receive([message('b')]), store.append(entry('c'))];
    const again = await reopen();
    await Promise.all(begun);
    same(idsOf(await again.outbox()), ['a', 'c'], 'the outbox');
    same(idsOf(await again.inbox()), ['b'], 'the inbox');
  },
};

/**
 * What every store promises, for any test runner. A case needs an empty place for each run, and leaves none behind:
 *
 * ```ts
 * it.each(storeCases)('$title', ({ run }) => run(makePlace));
 * ```
 */
export const storeCases: readonly StoreCase[] = Object.entries(CHECKS).map(([title, check]) => ({
  title,
  run: (makePlace) => runIn(makePlace, check),
}));

async function runIn(makePlace: () => Promise<StorePlace>, check: Check): Promise<void> {
  const place = await makePlace();
  const opened = [await place.open()];
  const closeAll = () => Promise.all(opened.splice(0).map((store) => store.close()));
  const open = async () => {
    const store = await place.open();
    opened.push(store);
    return store;
  };
  const [store] = opened as [Store];
  try {
    await check({
      store,
      second: async () => (place.isShared ? open() : store),
      reopen: async () => {
        await closeAll();
        return open();
      },
    });
  } finally {
    await closeAll();
    await place.remove();
  }
}
