import type { WireConversations, WireMark, WireSync } from '../../../src/protocol/wire.js';
import { RefusedError } from '../api.js';
import {
  isSame,
  newThread,
  trimmed,
  withMark,
  withMessages,
  withPage,
  withRead,
  withSummary,
  type Conversation,
  type RecordedMessage,
  type Thread,
} from './conversation.js';
import type { Answer, Question } from './questions.js';

/** A conversation that is not open has so many messages here, one that is open so many as are asked for, up to a bound. */
export const MAX_CLOSED = 100;
const MAX_OPEN = 10_000;
const MAX_THREADS = 1_000;

/** All conversations that this client knows, and how far it has come in the record. */
export class Threads {
  /** Up to where all that was recorded is known; null before the first answer. */
  cursor: string | null = null;
  /**
   * Where the next page of the list begins; null when there is none, or no room for it, undefined when
   * that is not known.
   */
  next: string | null | undefined;
  readonly #byName = new Map<string, Thread>();
  /** What is returned for names that nothing is known of: the same each time. */
  readonly #blanks = new Map<string, Thread>();
  #list: readonly Conversation[] | null = null;

  constructor(
    private readonly isOpen: (name: string) => boolean,
    /** Something is known of a conversation, or of all (null). */
    private readonly changed: (name: string | null) => void,
  ) {}

  /** The newest first. */
  get list(): readonly Conversation[] {
    const newestFirst = (a: Conversation, b: Conversation) => ((a.newest ?? '') > (b.newest ?? '') ? -1 : 1);
    return (this.#list ??= [...this.#byName.values()].filter(({ newest }) => newest !== null).sort(newestFirst));
  }

  get unread(): number {
    return this.list.reduce((sum, { unread }) => sum + unread, 0);
  }

  get(name: string): Thread {
    const known = this.#byName.get(name) ?? this.#blanks.get(name);
    if (known) return known;
    if (this.#blanks.size > MAX_THREADS) this.#blanks.clear();
    const blank = newThread(name);
    this.#blanks.set(name, blank);
    return blank;
  }

  /** Throws a RefusedError when an open conversation has so many messages that an earlier one would be forgotten again. */
  checkRoom(name: string): void {
    if (this.get(name).messages.length < MAX_OPEN) return;
    throw new RefusedError('CONVERSATION_FULL', 'no more are kept');
  }

  put(thread: Thread, user: string | null): void {
    const { with: name } = thread;
    if (thread === this.#byName.get(name)) return;
    this.#blanks.delete(name);
    const max = this.isOpen(name) ? MAX_OPEN : MAX_CLOSED;
    this.#byName.set(name, trimmed(thread, user, max));
    this.#list = null;
    if (this.#byName.size > MAX_THREADS) this.#remove(this.list.findLast((last) => !this.isOpen(last.with))?.with);
    this.changed(name);
  }

  forget(): void {
    this.cursor = null;
    this.next = undefined;
    this.#byName.clear();
    this.#list = null;
    this.changed(null);
  }

  /**
   * A message came. After a failure it may come with another position than the record has [protocol 4.6], so what is
   * known of it stays.
   */
  came(item: RecordedMessage, user: string | null): void {
    const { messages } = this.get(otherOf(item, user));
    if (!messages.some((known) => isSame(known, item))) this.messages([item], user);
  }

  messages(items: readonly RecordedMessage[], user: string | null): void {
    const byName = new Map<string, RecordedMessage[]>();
    for (const item of items) {
      const name = otherOf(item, user);
      const others = byName.get(name);
      if (others) others.push(item);
      else byName.set(name, [item]);
    }
    for (const [name, own] of byName) this.put(withMessages(this.get(name), own, user), user);
  }

  /** What the server has answered; a refusal changes nothing. */
  learn(question: Question, answer: Answer, user: string | null): void {
    if (question.event === 'sync' && answer.event === 'sync') this.#synced(answer.data, question.data.after, user);
    if (question.event === 'conversations' && answer.event === 'conversations') {
      this.#summed(answer.data, question.data.before, user);
    }
    if (question.event === 'history' && answer.event === 'history') {
      const { data } = question;
      this.put(withPage(this.get(data.with), data, answer.data, user), user);
    }
  }

  mark(mark: WireMark, user: string | null): void {
    this.put(withMark(this.get(mark.with), mark, user), user);
  }

  read(name: string, upTo: string, user: string | null): void {
    this.put(withRead(this.get(name), upTo, user), user);
  }

  /** Another tab may ask from another place than this one has come to: then this one stays where it is. */
  #synced(page: WireSync, after: string | undefined, user: string | null): void {
    const isNext = this.cursor === (after ?? null);
    // Something was missed: what is known may have gaps.
    if (isNext && after !== undefined && !page.complete) this.#cut(user);
    this.messages(page.items, user);
    if (isNext) this.cursor = page.after;
  }

  #summed(page: WireConversations, before: string | undefined, user: string | null): void {
    const listed = new Set(page.items.map((item) => item.with));
    const oldest = page.before === null ? '' : page.items.at(-1)!.newest;
    for (const { with: name, newest } of this.list) {
      const isGone = newest! > oldest && (before === undefined || newest! < before) && !listed.has(name);
      // What was said since the server has looked is not listed either.
      const isNewer = newest! > (page.items[0]?.newest ?? '');
      if (isGone && !isNewer) this.#remove(name);
    }
    for (const summary of page.items) this.put(withSummary(this.get(summary.with), summary, user), user);
    const next = this.#byName.size < MAX_THREADS ? page.before : null;
    if (before || this.next === undefined) this.next = next;
    this.changed(null);
  }

  #cut(user: string | null): void {
    for (const thread of this.#byName.values()) {
      this.put({ ...thread, messages: [], hasEarlier: true, isLoaded: false }, user);
    }
  }

  #remove(name: string | undefined): void {
    if (name === undefined || !this.#byName.delete(name)) return;
    this.#list = null;
    this.changed(name);
  }
}

/** The name of the conversation that a message belongs to. */
function otherOf({ from, to }: RecordedMessage, user: string | null): string {
  return from === user ? to : from;
}
