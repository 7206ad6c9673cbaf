import type { RecordStore } from './record-store.js';
import { trimmed, type Thread } from './conversation.js';
import { MAX_CLOSED, type Threads } from './threads.js';

/** What changes within this time is written together. */
const SAVE_WITHIN_MS = 1_000;
/** Conversations that are kept, and characters of content in each. */
const MAX_KEPT = 200;
const MAX_CHARACTERS = 65_536;
/** No user has this name. */
const PLACE = '';

/** How far this client has come, beside the conversations. */
interface Place {
  readonly cursor: string | null;
  readonly recordMs: number | null;
}

/**
 * Keeps what is known of the record over the page or the process. Cursor and messages are written in one step, so what a
 * crash loses comes again with the next `sync`; nothing is confirmed because of it.
 */
export class KeptRecord {
  #changed = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #saving: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(
    private readonly store: RecordStore | null,
    private readonly threads: Threads,
    private readonly owner: {
      /** Whether this tab writes for all. */
      writes(): boolean;
      /** How long the server records; null when that is not known. */
      recordMs(): number | null;
      failed(error: unknown): void;
    },
  ) {}

  /** Reads what was kept. Messages that the server has removed by now are not shown. Returns how long it records. */
  async load(user: string | null): Promise<number | null> {
    const entries = await this.#attempt((store) => store.load());
    const place = entries?.find(([key]) => key === PLACE)?.[1] as Place | undefined;
    this.threads.cursor = place?.cursor ?? null;
    const since = Date.now() - (place?.recordMs ?? Infinity);
    for (const [key, value] of entries ?? []) {
      if (key === PLACE) continue;
      const thread = value as Thread;
      const messages = thread.messages.filter(({ sentAt }) => Date.parse(sentAt) > since);
      this.threads.put({ ...thread, messages, isLoaded: false }, user);
    }
    this.#changed.clear();
    return place?.recordMs ?? null;
  }

  /** A conversation is another one now. */
  changed(name: string): void {
    if (this.store) this.#changed.add(name);
  }

  /** Writes what has changed, soon. */
  save(): void {
    if (!this.store || this.#isClosed || !this.owner.writes()) return;
    this.#timer ??= setTimeout(() => void this.#flush(), SAVE_WITHIN_MS);
  }

  /** Rejects when something may be left. */
  async clear(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#changed.clear();
    await this.#inOrder((store) => store.clear());
  }

  async close(): Promise<void> {
    this.#isClosed = true; // What comes from now on comes again with the next `sync`.
    if (this.#timer) await this.#flush();
    await this.#attempt((store) => store.close());
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const kept = new Map(this.threads.list.slice(0, MAX_KEPT).map((thread) => [thread.with, thread as Thread]));
    const changed = this.#changed;
    const changes: [string, unknown][] = [...changed].map((name) => {
      const thread = kept.get(name);
      return [name, thread ? trimmed(thread, null, MAX_CLOSED, MAX_CHARACTERS) : null];
    });
    this.#changed = new Set();
    const place: Place = { cursor: this.threads.cursor, recordMs: this.owner.recordMs() };
    const isSaved = await this.#attempt((store) => store.save([...changes, [PLACE, place]]).then(() => true));
    // A sync from the next cursor, which is later, would not bring again what this save has not written.
    if (!isSaved) for (const name of changed) this.#changed.add(name);
  }

  /** What fails is told, and that is all. */
  #attempt<T>(work: (store: RecordStore) => Promise<T>): Promise<T | null> {
    return this.#inOrder(work).catch(() => null);
  }

  /** One after the other. What fails is told. */
  async #inOrder<T>(work: (store: RecordStore) => Promise<T>): Promise<T | null> {
    const { store } = this;
    if (!store) return null;
    const done = this.#saving.then(() => work(store));
    this.#saving = done.then(
      () => undefined,
      (error: unknown) => this.owner.failed(error),
    );
    return done;
  }
}
