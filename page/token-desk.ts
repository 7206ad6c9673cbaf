import type { StateChange, TokenReason } from '../client/src/api.js';
import { at } from './dom.js';
import { TOKEN_TEXTS } from './texts.js';
import { expiryOf, explainRefused, readToken, readUser } from './token.js';

/** With these statuses another try with the same token makes no sense. */
const TOKEN_STATUSES = [401, 403, 431];

/** What the page is told. */
export interface DeskEvents {
  /** There is a token, the first or another one. */
  onGiven(user: string): void;
  /** A person is asked for another token. */
  onAsked(): void;
}

/**
 * Asks a person for tokens. The token stays in the memory of this page. It is never kept anywhere that outlives the
 * page.
 */
export class TokenDesk {
  /** The one in use; null while a person is asked for the next. */
  private token: string | null = null;
  /** The client has not been online with it: what has expired or was refused is the one before. */
  private isFresh = false;
  private isOnline = false;
  private last: string | null = null;
  /** Whose the first one was. What was written as one user is not sent as another. */
  private user: string | null = null;
  private waiting: ((token: string) => void)[] = [];

  constructor(
    private readonly userClaim: string,
    private readonly events: DeskEvents,
  ) {
    at('join').addEventListener('submit', () => this.submitted());
  }

  /** For the client: the token that is there, or else one that a person has to bring. */
  give(reason: TokenReason): string | Promise<string> {
    if (this.token !== null && (reason === 'connect' || this.isFresh)) return this.token;
    if (reason !== 'connect') this.ask(this.problem(reason === 'refused'));
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** How the connection stands: a handshake may have been refused for the token. */
  told({ state, code, why }: StateChange): void {
    this.isOnline = state === 'online';
    if (this.isOnline) this.isFresh = false;
    if (state !== 'waiting' || code === null || !TOKEN_STATUSES.includes(code)) return;
    this.ask(code === 401 ? this.problem(true) : `${TOKEN_TEXTS.refusedWith} ${why}.`);
  }

  private problem(isRefused: boolean): string {
    const expiry = this.last === null ? null : expiryOf(this.last);
    if (isRefused && this.last !== null) return explainRefused(this.last, Date.now());
    return expiry !== null && expiry > Date.now() ? TOKEN_TEXTS.endsSoon : TOKEN_TEXTS.expired;
  }

  private ask(why: string): void {
    const isFirst = this.token !== null;
    this.token = null;
    at('join').hidden = false;
    if (at('join-error').textContent !== why) at('join-error').textContent = why; // Last: screen readers skip what is hidden.
    if (!isFirst) return;
    this.events.onAsked();
    // Do not take the focus from somebody who is writing.
    if (document.activeElement === document.body) at('token').focus();
  }

  private submitted(): void {
    const field = at<HTMLInputElement>('token');
    const token = readToken(field.value);
    const { name, problem } =
      token === null ? { name: null, problem: TOKEN_TEXTS.noToken } : readUser(token, this.userClaim);
    const isOther = name !== null && this.user !== null && name !== this.user;
    at('join-error').textContent = isOther ? TOKEN_TEXTS.otherUser(name, this.user!) : problem;
    if (token === null || name === null || isOther) return field.focus();
    field.value = '';
    this.token = this.last = token;
    this.user = name;
    this.isFresh = !this.isOnline;
    at('join').hidden = true;
    for (const resolve of this.waiting.splice(0)) resolve(token);
    this.events.onGiven(name);
  }
}
