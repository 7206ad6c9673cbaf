import { Logger } from '@nestjs/common';
import type { Connection } from '../connections/connection.js';
import type { ConnectionInfo } from '../connections/connection-info.js';
import { within, type Clock } from '../options/clock.js';
import {
  checkContent,
  checkMeta,
  checkSize,
  type CheckedRequest,
  type SendRequest,
  type SizeLimits,
  type WrittenRequest,
} from '../protocol/send-request.js';
import type { Signal, SignalRequest } from '../protocol/signal.js';

/**
 * What a connection asks to send, or to know. The content of a signal and of a question is empty, so that a policy for
 * content needs no case for them.
 */
export type AuthorizeRequest =
  | (SendRequest & { readonly type: 'message'; readonly to: string })
  | (SendRequest & { readonly type: 'broadcast'; readonly to?: undefined })
  | (SignalRequest & { readonly type: 'signal'; readonly content: ''; readonly id?: undefined })
  | HistoryQuestion;

/** A question to the record: `history` and `read` are about one conversation, `sync` and `conversations` about all. */
interface HistoryQuestion {
  readonly type: 'history';
  /** Who asks. */
  readonly from: string;
  /** The other side of the conversation; undefined for all conversations. */
  readonly to?: string | undefined;
  readonly content: '';
  readonly id?: undefined;
  readonly meta?: undefined;
}

/** What a policy changes in a message or a broadcast. What is left out stays as it is. */
export type Amendment = Pick<Partial<SendRequest>, 'content' | 'meta'>;

/** True: it may be sent. False: it is refused with NOT_ALLOWED. An Amendment: it is sent with these changes. */
export type Verdict = boolean | Amendment;

/**
 * Decides about a direct message of a connection, a broadcast (`to` is undefined), a signal, or a question to the
 * record (`type: 'history'`). It returns whether that may be sent or asked, or what to change in it. The request is
 * frozen; an Amendment is the only way to change it. The sender, the recipient, the id and the order cannot be changed,
 * and nothing of a signal or a question.
 *
 * If it throws, returns anything else, or takes longer than 10 s, the request is refused with NOT_ALLOWED, and the log
 * says why. Meanwhile the next messages of this connection wait, in their order, and so do its signals and questions.
 */
export type Authorize = (request: AuthorizeRequest, connection: ConnectionInfo) => Verdict | Promise<Verdict>;

/** The injection token of the application's policy; null if it has none. */
export const AUTHORIZE = Symbol.for('holdfast:authorize');

/** How long a policy may take, in milliseconds. */
const DECIDE_WITHIN_MS = 10_000;

/** What may be changed, for error texts. */
const AMENDABLE = '{ content?, meta? }';

/** What is to be sent; null if it is refused. */
export type Decision = CheckedRequest | null;

/** Asks the application's policy. Its methods neither throw nor reject. */
export class Policy {
  private readonly logger = new Logger('Policy');

  constructor(
    private readonly authorize: Authorize,
    private readonly options: SizeLimits & { readonly clock: Clock },
  ) {}

  /** Returns what is sent for this message or broadcast, or a promise of that. */
  decide(request: CheckedRequest, connection: Connection): Decision | Promise<Decision> {
    const asked = askedFor(request);
    const decided = (verdict: Verdict) => {
      if (typeof verdict === 'boolean') return verdict ? request : null;
      const amended = amend(request, asked, verdict);
      checkSize(amended, this.options);
      return amended;
    };
    return this.ask(asked, connection, decided, null);
  }

  /** Returns whether a connection may send this signal, or a promise of that. */
  allows({ from, to, kind, data }: Signal, connection: Connection): boolean | Promise<boolean> {
    const asked: AuthorizeRequest = {
      type: 'signal',
      from,
      to,
      kind,
      content: '',
      ...(data !== undefined && { data: JSON.parse(data) as unknown }),
    };
    return this.ask(asked, connection, (verdict) => isAllowed(verdict, asked, 'nothing of a signal'), false);
  }

  /** Returns whether a connection may ask for what was said with this user, or with anybody (undefined). */
  allowsHistory(peer: string | undefined, connection: Connection): boolean | Promise<boolean> {
    const asked: AuthorizeRequest = { type: 'history', from: connection.user, to: peer, content: '' };
    return this.ask(asked, connection, (verdict) => isAllowed(verdict, asked, 'nothing of a question'), false);
  }

  /** Returns what `decided` makes of the verdict, or `refused` when that or the policy fails. */
  private ask<Result>(
    asked: AuthorizeRequest,
    connection: Connection,
    decided: (verdict: Verdict) => Result,
    refused: Result,
  ): Result | Promise<Result> {
    const failed = (error: unknown) => {
      this.logger.error(`authorize failed, and the ${asked.type} is refused: ${String(error)}`);
      return refused;
    };
    try {
      const verdict = this.authorize(Object.freeze(asked), connection);
      if (!isPromise(verdict)) return decided(verdict);
      const late = () => new Error(`no answer within ${DECIDE_WITHIN_MS} ms`);
      return within(this.options.clock, DECIDE_WITHIN_MS, verdict, late).then(decided).catch(failed);
    } catch (error) {
      return failed(error);
    }
  }
}

/** Returns a message or a broadcast as the application sees it. */
function askedFor({ metaText: _text, to, ...request }: CheckedRequest): AuthorizeRequest {
  return to === undefined ? { type: 'broadcast', ...request, to } : { type: 'message', ...request, to };
}

/** Returns the request with the changes; throws an Error for the application when they are not valid. */
function amend(request: CheckedRequest, asked: AuthorizeRequest, amendment: unknown): CheckedRequest {
  const { content = request.content, meta, ...others } = checkAmendment(amendment);
  checkUnchanged(asked, others, `only ${AMENDABLE}`);
  return { ...request, content: checkContent(content, request.id), ...checkMeta(meta, request.id) };
}

/** Returns whether something may be done in which nothing can be changed. */
function isAllowed(verdict: Verdict, asked: AuthorizeRequest, changeable: string): boolean {
  if (typeof verdict !== 'boolean') checkUnchanged(asked, checkAmendment(verdict), changeable);
  return verdict !== false;
}

/** The application is not held to the types. */
function checkAmendment(amendment: unknown): WrittenRequest {
  if (typeof amendment === 'object' && amendment !== null && !Array.isArray(amendment)) return amendment;
  throw new Error(`it returned neither true, false nor ${AMENDABLE}`);
}

/** Allows fields that are as they were: `{ ...request, content }` is a natural way to write an amendment. */
function checkUnchanged(asked: AuthorizeRequest, fields: object, changeable: string): void {
  for (const [name, value] of Object.entries(fields)) {
    if (value !== asked[name as keyof AuthorizeRequest]) throw new Error(`it can't change "${name}", ${changeable}`);
  }
}

function isPromise(verdict: Verdict | Promise<Verdict>): verdict is Promise<Verdict> {
  return typeof (verdict as Partial<Promise<Verdict>> | null | undefined)?.then === 'function';
}
