import type { FrameOf, ServerEvents, WireMessage } from '../../../src/protocol/wire.js';
import type { PendingMessage, ReceiptEvent, StateChange } from '../api.js';
import { chooseStore } from '../choose-store.js';
import { Client } from '../client.js';
import { watchPage } from '../page.js';
import type { News } from '../tabs.js';
import { unheard } from '../unheard.js';
import { isBehind, type Conversation, type HistoryPlace, type RecordedMessage } from './conversation.js';
import { IndexedDbRecordStore } from './indexeddb-record-store.js';
import { KeptRecord } from './kept-record.js';
import { Questions, type Answer, type Question } from './questions.js';
import { ReadMarks } from './read-marks.js';
import type { HistoryPage, RecordClient, RecordClientOptions } from './record-api.js';
import type { RecordNews } from './record-news.js';
import { RecordSync } from './record-sync.js';
import { Threads } from './threads.js';

/** So many conversations come at once when more are asked for. */
const MORE = 50;
/** After so many messages that came live the cursor is moved, so that a reconnect does not bring them all again. */
const SYNC_AFTER = 100;

/** Makes a client that knows the record. Nothing happens before `connect` or `send`. */
export function createClient(options: RecordClientOptions): RecordClient {
  return new RecordingClient(options);
}

/**
 * The client, with what it knows of the record. The tab that has the connection asks, and tells all tabs what it hears:
 * each applies the same news to its own copy, and that one tab writes it down. What comes live may come in any order and
 * a second time, as each message has its place; what was missed comes with the next `sync`.
 */
class RecordingClient extends Client implements RecordClient {
  protected override readonly records = true;
  /** The conversations that somebody looks at, by what stands for that somebody. */
  readonly #opened = new Map<object, string>();
  readonly #threads: Threads;
  readonly #questions: Questions;
  readonly #sync: RecordSync;
  readonly #marks: ReadMarks;
  readonly #kept: KeptRecord;
  /** What this user has sent, by id, until its receipt names its position. */
  readonly #sent = new Map<string, PendingMessage>();
  /** What was kept is read. Null before `connect`. */
  #ready: Promise<void> | null = null;
  /** Undefined until the server has said it. */
  #recordMs: number | null | undefined;
  /** Messages that came live since the last sync. */
  #live = 0;
  #unwatch: () => void = () => undefined;

  constructor(options: RecordClientOptions) {
    super(options);
    this.#threads = new Threads(
      (name) => [...this.#opened.values()].includes(name),
      (name) => this.#changed(name),
    );
    this.#questions = new Questions({
      write: (question, cost) => this.write(question, cost),
      bring: (question) => this.#bring(question),
    });
    const isOnline = () => this.state.state === 'online';
    this.#sync = new RecordSync(this.#questions, this.#threads, this.#opened, {
      ready: () => this.#ready,
      isOff: () => this.#recordMs === null,
      isOnline,
      failed: (error) => this.emitter.fail(error, 'record'),
    });
    this.#marks = new ReadMarks(this.#threads, {
      user: () => this.user,
      write: (name, upTo) => this.recordMs !== null && this.write({ event: 'read', data: { with: name, upTo } }, 1),
      isOnline: () => isOnline() && this.leads && this.recordMs !== null,
    });
    const { name } = chooseStore(options);
    const store = options.recordStore ?? (name === null ? null : new IndexedDbRecordStore(`${name}:record`));
    this.#kept = new KeptRecord(store, this.#threads, {
      writes: () => this.leads,
      recordMs: () => this.recordMs,
      failed: (error) => this.emitter.fail(error, 'store'),
    });
  }

  get recordMs(): number | null {
    return this.#recordMs ?? null;
  }

  get conversations(): readonly Conversation[] {
    return this.#threads.list;
  }

  get unread(): number {
    return this.#threads.unread;
  }

  get hasMoreConversations(): boolean {
    return this.#threads.next != null;
  }

  conversation(name: string): Conversation {
    return this.#threads.get(name);
  }

  open(name: string): () => void {
    const close = this.#hold(name);
    void this.#sync.load([name]);
    return close;
  }

  earlier(name: string): Promise<void> {
    return unheard(this.#earlier(name).finally(this.#hold(name)));
  }

  moreConversations(): Promise<void> {
    const before = this.#threads.next;
    return unheard(before == null ? Promise.resolve() : this.#sync.conversations({ before, limit: MORE }));
  }

  history(name: string, place?: HistoryPlace & { readonly limit?: number }): Promise<HistoryPage> {
    return unheard(this.#sync.history(name, place));
  }

  markRead(name: string, upTo = this.#threads.get(name).newest): void {
    if (upTo === null || !isBehind(this.#threads.get(name).read, upTo)) return;
    this.#tellAll({ kind: 'read', with: name, upTo });
  }

  sync(): Promise<void> {
    return unheard(this.#sync.sync());
  }

  override connect(): void {
    if (this.#ready) this.#catchUp();
    else this.#begin();
    super.connect();
  }

  override async close(): Promise<void> {
    this.#ready ??= Promise.resolve();
    this.#unwatch();
    this.#sync.close();
    this.#marks.close();
    this.#questions.close();
    await this.#kept.close();
    await super.close();
  }

  protected override handle(frame: FrameOf<ServerEvents>): void {
    const { event, data } = frame;
    if (event === 'welcome') this.#welcomed(data.recordMs ?? null);
    else if (event === 'history' || event === 'sync' || event === 'conversations') this.#answered(frame);
    else if (event === 'exception' && this.#questions.isAsked(data.id)) this.#answered(frame);
    else if (event === 'mark') this.#tellAll({ kind: 'mark', mark: data });
    else if (event === 'message' && data.echo) this.#tellAll({ kind: 'echo', message: data });
    else super.handle(frame);
  }

  protected override clearings(): (() => Promise<void>)[] {
    return [...super.clearings(), async () => this.#forget(), () => this.#kept.clear()];
  }

  protected override heard(news: News): void {
    if (news.type === 'record') return this.#hear(news.news);
    super.heard(news);
    if (news.type === 'cleared') this.#forget();
  }

  /** Keeps all that is brought of a conversation, until the function that it returns is called. */
  #hold(name: string): () => void {
    const holder = {};
    this.#opened.set(holder, name);
    return () => void this.#opened.delete(holder);
  }

  async #earlier(name: string): Promise<void> {
    // The newest page would begin the conversation anew, and take away what was brought before it.
    if (!this.#threads.get(name).isLoaded) await this.history(name);
    const { messages, hasEarlier } = this.#threads.get(name);
    if (!hasEarlier) return;
    this.#threads.checkRoom(name);
    await this.history(name, { before: messages[0]?.position });
  }

  #begin(): void {
    this.#ready = this.#kept.load(this.user).then((recordMs) => {
      if (recordMs !== null) this.#recordMs ??= recordMs;
      this.#changed(null);
    });
    this.on('message', (message) => this.#came(message));
    this.on('sent', (message) => void this.#sent.set(message.id, message));
    this.on('receipt', (receipt) => this.#receipted(receipt));
    this.on('state', (state) => this.#stateChanged(state));
    // While there was a backlog the server has told nothing of other devices.
    this.on('caughtUp', ({ delivered }) => delivered > 0 && this.leads && this.#sync.trySync());
    const nothing = (): void => undefined;
    this.#unwatch = watchPage({ look: nothing, offline: nothing, suspend: nothing, resume: () => this.#catchUp() });
  }

  #stateChanged({ state }: StateChange): void {
    // What an earlier page has left is known by now.
    for (const message of this.pending) this.#sent.set(message.id, message);
    if (state !== 'online') return;
    this.#questions.askAgain();
    this.#catchUp();
    this.#marks.tell();
    void this.#sync.load();
  }

  /** This tab may have missed what another one has told. */
  #catchUp(): void {
    if (!this.leads && this.state.state === 'online') this.#sync.trySync();
  }

  #welcomed(recordMs: number | null): void {
    this.#questions.opened();
    this.#tellAll({ kind: 'recordMs', recordMs });
    this.#sync.trySync();
  }

  #came({ position, id, from, to, content, meta, sentAt }: Omit<WireMessage, 'seq'>): void {
    if (position === undefined) return;
    this.#add({ position, id, from, to, content, ...(meta && { meta }), sentAt });
  }

  #receipted({ id, status, sentAt, position }: ReceiptEvent): void {
    if (sentAt === undefined && status !== 'refused') return;
    const message = this.#sent.get(id);
    this.#sent.delete(id);
    if (position === undefined || sentAt === undefined) return;
    // It may have gone out from a page that is gone.
    if (message?.to != null)
      this.#came({ ...message, to: message.to, position, from: this.user!, sentAt, stored: false });
    else if (this.leads) this.#sync.trySync();
  }

  #add(item: RecordedMessage): void {
    this.#apply(() => this.#threads.came(item, this.user));
    this.#live += 1;
    if (this.#live >= SYNC_AFTER && this.leads) this.#sync.trySync();
  }

  #answered(answer: Answer): void {
    const question = this.#questions.answered(answer);
    if (question) this.#tellAll({ kind: 'answer', question, answer });
  }

  #tellAll(news: RecordNews): void {
    this.tellTabs({ type: 'record', news });
    this.#hear(news);
  }

  /** What this tab or another one has heard. */
  #hear(news: RecordNews): void {
    if (news.kind === 'echo') this.#came(news.message);
    else if (news.kind === 'mark') this.#apply(() => this.#threads.mark(news.mark, this.user));
    else if (news.kind === 'read') this.#apply(() => this.#marks.read(news.with, news.upTo));
    else if (news.kind === 'answer') this.#apply(() => this.#learn(news.question, news.answer));
    else if (news.kind === 'question') {
      if (this.leads) this.#bring(news.question);
    } else {
      this.#recordMs = news.recordMs;
      this.#changed(null);
    }
  }

  #learn(question: Question, answer: Answer): void {
    const { user } = this;
    if (answer.event === 'sync') this.#live = 0;
    this.#threads.learn(question, answer, user);
    if (answer.event === 'conversations') this.#marks.tell();
    this.#kept.save();
    this.#questions.settle(question.data.id, answer);
  }

  #bring(question: Question): void {
    if (this.leads) this.#questions.take(question);
    else this.tellTabs({ type: 'record', news: { kind: 'question', question } });
  }

  #changed(name: string | null): void {
    if (name !== null) this.#kept.changed(name);
    this.emitter.emit('record', { with: name });
    this.#kept.save();
  }

  #forget(): void {
    this.#sent.clear();
    this.#threads.forget();
  }

  #apply(work: () => void): void {
    void (this.#ready ?? Promise.resolve()).then(work).catch((error: unknown) => this.emitter.fail(error, 'record'));
  }
}
