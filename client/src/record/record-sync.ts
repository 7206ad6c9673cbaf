import { RefusedError } from '../api.js';
import type { HistoryPlace } from './conversation.js';
import type { Questions } from './questions.js';
import type { HistoryPage } from './record-api.js';
import type { Threads } from './threads.js';

/** Limits of the server. */
const MAX_PAGE = 200;
const PAGE = 50;
/** Without an answer everything is asked for again when so much time has passed. */
const AGAIN_MS = 60_000;
const NOT_RECORDED = 'this server records nothing';

export interface RecordSyncOwner {
  /** Resolves when what was kept is read. */
  ready(): Promise<void> | null;
  /** The server has said that it records nothing. */
  isOff(): boolean;
  isOnline(): boolean;
  failed(error: unknown): void;
}

/** Asks the server for what this client does not know of the record. The answers are applied when they come. */
export class RecordSync {
  #syncing: Promise<void> | null = null;
  /** Something has happened that this sync may not bring. */
  #isDueAgain = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly questions: Questions,
    private readonly threads: Threads,
    /** Its values are the names of the conversations that somebody looks at. */
    private readonly opened: ReadonlyMap<object, string>,
    private readonly owner: RecordSyncOwner,
  ) {}

  /** All that was recorded since the last time, and then the list with its marks, which no cursor brings. */
  sync(): Promise<void> {
    return (this.#syncing ??= this.#syncAll().finally(() => {
      this.#syncing = null;
      if (this.#isDueAgain) this.trySync();
    }));
  }

  /** The same for nobody who waits. A refusal is told; without an answer it is tried again. */
  trySync(): void {
    this.#isDueAgain = this.#syncing !== null;
    if (this.owner.isOff() || this.#syncing) return;
    clearTimeout(this.#timer);
    this.sync().catch((error: unknown) => {
      if (!isQuiet(error)) return this.owner.failed(error);
      if (error.code === 'NO_ANSWER') this.#timer = setTimeout(() => this.owner.isOnline() && this.trySync(), AGAIN_MS);
    });
  }

  /** Brings the newest messages of the conversations that are open, unless they are known. */
  async load(names: Iterable<string> = new Set(this.opened.values())): Promise<void> {
    await this.owner.ready();
    for (const name of names) {
      if (this.threads.get(name).isLoaded || !this.owner.isOnline() || this.owner.isOff()) continue;
      this.#page(name).catch((error: unknown) => isQuiet(error) || this.owner.failed(error));
    }
  }

  /** It is asked behind what `load` was called for before: the newest page of a conversation begins it anew. */
  async history(name: string, place?: HistoryPlace & { readonly limit?: number }): Promise<HistoryPage> {
    await this.owner.ready();
    return this.#page(name, place);
  }

  async #page(name: string, place: HistoryPlace & { readonly limit?: number } = {}): Promise<HistoryPage> {
    this.#check();
    const data = { limit: PAGE, ...place, with: name };
    const { items, before, after } = await this.questions.ask('history', data);
    return { items, before, after };
  }

  async conversations(place: { readonly before?: string; readonly limit: number }): Promise<void> {
    this.#check();
    await this.questions.ask('conversations', place);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isDueAgain = false;
  }

  async #syncAll(): Promise<void> {
    await this.owner.ready();
    this.#check();
    for (let hasMore = true; hasMore;) {
      const after = this.threads.cursor;
      const { more } = await this.questions.ask('sync', { ...(after !== null && { after }), limit: MAX_PAGE });
      hasMore = more;
    }
    await this.conversations({ limit: MAX_PAGE });
    await this.load();
  }

  #check(): void {
    if (this.owner.isOff()) throw new RefusedError('NOT_RECORDED', NOT_RECORDED);
  }
}

/** Nobody has to be told that a connection was lost: what is missing is asked for again when there is one. */
function isQuiet(error: unknown): error is RefusedError {
  return error instanceof RefusedError && (error.code === 'NO_ANSWER' || error.code === 'CLOSED');
}
