import type { ClientEvents as WireEvents, FrameOf, ServerEvents, WireException } from '../../../src/protocol/wire.js';
import { RefusedError } from '../api.js';
import { randomUpTo } from '../backoff.js';
import { newId } from '../new-id.js';

/** What the server may be asked, and its answers, by event. */
type Asked = Pick<WireEvents, 'history' | 'sync' | 'conversations'>;
export type Question = FrameOf<Asked>;
export type Answer = FrameOf<Pick<ServerEvents, keyof Asked | 'exception'>>;

/** A question costs as much as so many messages [protocol 5.1]. */
const COST = 5;
const ANSWER_WITHIN_MS = 30_000;
/** While there is no room for a question in the rate of the connection, it is tried this often. */
const TRY_EVERY_MS = 250;
/** The first pause after a temporary refusal; each one is twice the last. */
const MIN_PAUSE_MS = 1_000;

export interface QuestionsOwner {
  /** Writes a frame that costs so much; false when that is not possible now. */
  write(frame: Question, cost: number): boolean;
  /** Brings a question to the tab that has the connection: this one, or another. */
  bring(question: Question): void;
}

interface Asking {
  readonly question: Question;
  readonly resolve: (data: never) => void;
  readonly reject: (error: RefusedError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/**
 * What the server is asked. The tab that has the connection writes the questions of all tabs, one after the other, and
 * tells all of them the answers. What has no answer when the connection is lost is asked again by the tab that wants to
 * know.
 */
export class Questions {
  /** Of this tab, by id. */
  readonly #asking = new Map<string, Asking>();
  /** Of all tabs. The first one may be on the wire. */
  #line: Question[] = [];
  #isWritten = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pauseMs = MIN_PAUSE_MS;
  #isClosed = false;

  constructor(private readonly owner: QuestionsOwner) {}

  /** Rejects with a RefusedError: that of the server, NO_ANSWER, or CLOSED. */
  ask<E extends keyof Asked>(event: E, data: Omit<Asked[E], 'id'>): Promise<ServerEvents[E]> {
    if (this.#isClosed) return Promise.reject(closed());
    const id = newId();
    const question = { event, data: { ...data, id } } as unknown as Question;
    return new Promise((resolve, reject) => {
      const giveUp = () => this.#giveUp(id, new RefusedError('NO_ANSWER', 'no answer within 30 s'));
      this.#asking.set(id, { question, resolve, reject, timer: setTimeout(giveUp, ANSWER_WITHIN_MS) });
      this.owner.bring(question);
    });
  }

  /** A connection begins: nothing is on the wire. */
  opened(): void {
    this.#line = [];
    this.#isWritten = false;
  }

  /** This client is online: what this tab has asked may be lost. */
  askAgain(): void {
    for (const { question } of this.#asking.values()) this.owner.bring(question);
  }

  /** A question of some tab, for the one that has the connection. */
  take(question: Question): void {
    if (this.#line.some(({ data }) => data.id === question.data.id)) return;
    this.#line.push(question);
    this.#write();
  }

  /** Returns the question that this frame is about; null when there is none, or when it is asked again later. */
  answered({ event, data }: Answer): Question | null {
    const [question] = this.#line;
    if (!question || !this.isAsked(data.id)) return null;
    this.#isWritten = false;
    const isForNow = event === 'exception' && data.temporary;
    if (isForNow) {
      const pauseMs = this.#pauseMs / 2 + randomUpTo(this.#pauseMs / 2);
      this.#pauseMs = Math.min(this.#pauseMs * 2, ANSWER_WITHIN_MS);
      this.#writeIn(pauseMs);
      return null;
    }
    this.#pauseMs = MIN_PAUSE_MS;
    this.#line.shift();
    this.#write();
    return question;
  }

  /** Whether that is the question on the wire. */
  isAsked(id: string | undefined): boolean {
    return this.#isWritten && id !== undefined && this.#line[0]?.data.id === id;
  }

  /** Some tab's question was answered. */
  settle(id: string, { event, data }: Answer): void {
    const asking = this.#asking.get(id);
    if (!asking) return;
    if (event === 'exception') return this.#giveUp(id, refusalOf(data));
    this.#forget(id, asking);
    asking.resolve(data as never);
  }

  /** Nothing is answered any more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#line = [];
    for (const id of this.#asking.keys()) this.#giveUp(id, closed());
  }

  #write(): void {
    clearTimeout(this.#timer);
    const [question] = this.#line;
    if (!question || this.#isWritten) return;
    this.#isWritten = true;
    if (this.owner.write(question, COST)) return;
    this.#isWritten = false;
    this.#writeIn(TRY_EVERY_MS);
  }

  #writeIn(ms: number): void {
    this.#timer = setTimeout(() => this.#write(), ms);
  }

  #giveUp(id: string, error: RefusedError): void {
    const asking = this.#asking.get(id);
    if (!asking) return;
    this.#forget(id, asking);
    // What is on the wire will be answered; nobody has to wait for the rest.
    const isFirst = this.#isWritten && this.#line[0]?.data.id === id;
    if (!isFirst) this.#line = this.#line.filter(({ data }) => data.id !== id);
    asking.reject(error);
  }

  #forget(id: string, { timer }: Asking): void {
    clearTimeout(timer);
    this.#asking.delete(id);
  }
}

function refusalOf({ code, message }: WireException): RefusedError {
  return new RefusedError(code, message);
}

function closed(): RefusedError {
  return new RefusedError('CLOSED', 'the client was closed');
}
