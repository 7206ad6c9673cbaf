import type { StateChange } from '../client/src/api.js';
import { at } from './dom.js';
import { TEXTS } from './texts.js';

const REPLACED = 4409;
const NOT_UNDERSTOOD = 4400;

/** The line that says whether this page is connected, and the buttons that change that. */
export class ConnectionView {
  private counting: ReturnType<typeof setInterval> | undefined;
  private state: StateChange = { state: 'idle', why: '', code: null, retryAt: null };
  private wasOnline = false;
  /** A person is asked for another token: until then nothing else helps. */
  private isTokenNeeded = false;

  constructor(
    private readonly user: string,
    actions: { connect(): void; disconnect(): void },
  ) {
    at('connect').addEventListener('click', () => {
      if (this.state.code === NOT_UNDERSTOOD) location.reload();
      else actions.connect();
    });
    at('disconnect').addEventListener('click', () => actions.disconnect());
  }

  show(state: StateChange): void {
    this.state = state;
    if (state.state === 'online') this.wasOnline = true;
    else if (state.state !== 'connecting') this.wasOnline = false;
    this.draw();
  }

  needToken(isNeeded: boolean): void {
    this.isTokenNeeded = isNeeded;
    this.draw();
  }

  end(): void {
    clearInterval(this.counting);
  }

  private draw(): void {
    const { state, code } = this.state;
    const asksForToken = this.isTokenNeeded && state !== 'online';
    at('status').dataset['state'] = asksForToken ? 'stopped' : state;
    // Set only when it changes: screen readers read it out.
    const text = asksForToken ? TEXTS.tokenNeeded : this.text();
    if (at('status').textContent !== text) at('status').textContent = text;
    at('connect').hidden = asksForToken || state === 'online' || state === 'connecting';
    at('connect').textContent =
      state === 'waiting'
        ? TEXTS.tryNow
        : code === REPLACED
          ? TEXTS.useItHere
          : code === NOT_UNDERSTOOD
            ? TEXTS.loadAgain
            : TEXTS.connect;
    at('disconnect').hidden = state !== 'online' && state !== 'connecting';
    clearInterval(this.counting);
    this.count();
    if (state === 'waiting' && !asksForToken) this.counting = setInterval(() => this.count(), 250);
    at('countdown').hidden = state !== 'waiting' || asksForToken;
  }

  private text(): string {
    const { state, why, code } = this.state;
    if (state === 'online') return TEXTS.online(this.user);
    if (state === 'idle') return TEXTS.youDisconnected;
    if (state === 'stopped') return TEXTS.stopped(code, why);
    if (state === 'waiting') return TEXTS.offline(why);
    if (!this.wasOnline) return TEXTS.connecting(this.user);
    return why === '' ? TEXTS.checking : `${TEXTS.checking}: ${why}`;
  }

  private count(): void {
    const { retryAt } = this.state;
    if (retryAt === null) return;
    const text = TEXTS.retryIn(Math.max(0, retryAt - Date.now()));
    if (at('countdown').textContent !== text) at('countdown').textContent = text;
  }
}
