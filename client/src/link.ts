import type { ClientEvents as WireEvents, FrameOf, ServerEvents, WireWelcome } from '../../src/protocol/wire.js';
import type { ClientOptions, StateChange, TokenReason } from './api.js';
import { Backoff } from './backoff.js';
import type { Emitter } from './emitter.js';
import { endingOf, explainRefusal, pauseOf } from './endings.js';
import { CONNECTING, IDLE, isSame } from './known.js';
import { openSocket, socketUrl, type Socket } from './socket.js';
import { TokenRenewal } from './token-renewal.js';

/** How long `token` and `url` may take; a person may have to sign in. */
const PREPARE_WITHIN_MS = 60_000;
const NOT_PREPARED = 'the application did not say how to connect';
const OPEN_WITHIN_MS = 15_000;
/** How long an answer to a ping may take, as a rule, and when there is a reason to doubt. */
const ANSWER_WITHIN_MS = 10_000;
const DOUBT_WITHIN_MS = 5_000;
const OFFLINE_WITHIN_MS = 2_000;
/** Something has to come back within this time after something was sent, or else a ping asks. */
const ECHO_WITHIN_MS = 5_000;
/** A timer that is so late has slept with the machine. */
const SLEPT_MS = 10_000;
const MAX_TIMER_MS = 2 ** 31 - 1;
const ANOTHER_USER = 'the server knows this client as another user';

export type LinkOptions = Pick<ClientOptions, 'url' | 'token' | 'user' | 'WebSocket'> & {
  readonly heartbeatMs: number;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
};

export interface LinkOwner {
  stateChanged(state: StateChange): void;
  /** The connection is open; until `shut` frames may be written. */
  opened(welcome: WireWelcome): void;
  shut(): void;
  frame(frame: FrameOf<ServerEvents>): void;
  /** The server has closed the connection because a frame was too big. */
  tooBig(): void;
}

/**
 * What the link waits for. Each has one timer.
 *
 * | phase     | waits for                  | then                                   |
 * | --------- | -------------------------- | -------------------------------------- |
 * | down      | nothing                    |                                        |
 * | preparing | `token` and `url`, 60 s    | it failed                              |
 * | opening   | the welcome, 15 s          | it failed                              |
 * | quiet     | silence of `heartbeatMs`   | it asks the server whether it is there |
 * | asking    | any frame, 10 s            | the connection is dead                 |
 * | waiting   | the pause                  | the next try                           |
 */
type Phase = 'down' | 'preparing' | 'opening' | 'quiet' | 'asking' | 'waiting';

const ONLINE: StateChange = { ...IDLE, state: 'online' };

/**
 * The connection of one client, over as many WebSockets as it takes. It never gives up by itself, and it never says
 * that it is online while there is a reason to doubt.
 */
export class Link {
  #phase: Phase = 'down';
  #state = IDLE;
  #socket: Socket | null = null;
  /** Events of an earlier attempt are ignored. */
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer fires, by `performance.now()`. */
  #due = 0;
  #heardAt = 0;
  #openedAt = 0;
  #reason: TokenReason = 'connect';
  /** Whose messages are kept here: whom the options name, or else whom the server has named first. */
  #user: string | undefined;
  readonly #backoff: Backoff;
  readonly #renewal: TokenRenewal;

  constructor(
    private readonly options: LinkOptions,
    private readonly emitter: Emitter,
    private readonly owner: LinkOwner,
  ) {
    this.#user = options.user;
    this.#backoff = new Backoff(options.minDelayMs, options.maxDelayMs);
    this.#renewal = new TokenRenewal(options.token, emitter, (token) =>
      this.#write({ event: 'renew', data: { token } }),
    );
  }

  get isOpen(): boolean {
    return this.#phase === 'quiet' || this.#phase === 'asking';
  }

  /** Connects, at once when it waits; nothing happens when it is connected or about to be. */
  start(): void {
    if (this.#phase === 'down' || this.#phase === 'waiting') void this.#open();
  }

  /** Ends the connection, and any further try. */
  stop(state: StateChange = IDLE): void {
    this.#drop();
    this.#phase = 'down';
    this.#tell(state);
  }

  send(frame: FrameOf<WireEvents>): void {
    this.#write(frame);
    // Whoever writes finds out soon whether somebody is there.
    const isEchoDue = this.#due - performance.now() <= ECHO_WITHIN_MS;
    if (this.#phase === 'quiet' && frame.event !== 'ack' && !isEchoDue) this.#listenFor(ECHO_WITHIN_MS);
  }

  /** There is a reason to doubt that the connection works, or a reason to hope that it will: looks at once. */
  look(): void {
    if (this.#phase === 'waiting') this.start();
    else if (this.#phase === 'quiet') this.#ask(DOUBT_WITHIN_MS);
    else if (this.#phase === 'opening' && this.#due - performance.now() > DOUBT_WITHIN_MS) {
      this.#wait(DOUBT_WITHIN_MS, () => void this.#open()); // It may hang in the network that was there before.
    }
  }

  /** The device says that it is offline. It may be wrong, as for a server on the same machine, so the server is asked. */
  doubt(): void {
    if (!this.isOpen) return;
    this.#ask(OFFLINE_WITHIN_MS);
    this.#tell({ ...CONNECTING, why: 'the device says that it is offline' });
  }

  async #open(): Promise<void> {
    this.#drop();
    const attempt = this.#attempt;
    this.#phase = 'preparing';
    this.#tell(CONNECTING);
    this.#wait(PREPARE_WITHIN_MS, () => this.#ended(1006, '', NOT_PREPARED));
    const { token: tokenOf, url: address, user, WebSocket } = this.options;
    try {
      const token = (await tokenOf?.({ reason: this.#reason })) ?? null;
      const url = socketUrl(
        typeof address === 'function' ? await address() : address,
        token === null ? user : undefined,
      );
      if (attempt === this.#attempt) this.#listen(openSocket(url, token, WebSocket), url, token);
    } catch (error) {
      if (attempt !== this.#attempt) return;
      this.emitter.fail(error, 'connect');
      this.#ended(1006, '', String(error instanceof Error ? error.message : error));
    }
  }

  #listen(socket: Socket, url: URL, token: string | null): void {
    this.#phase = 'opening';
    this.#wait(OPEN_WITHIN_MS, () => this.#ended(4408));
    this.#socket = socket;
    socket.onmessage = ({ data }) => socket === this.#socket && this.#heard(String(data), token);
    socket.onerror = () => undefined; // The close event says the same, and `ws` throws when nobody listens.
    socket.onclose = ({ code, reason }) => {
      if (socket !== this.#socket) return;
      const wasRefused = this.#phase === 'opening';
      this.#ended(code, reason);
      if (wasRefused) void this.#explain(url, token);
    };
  }

  #heard(text: string, token: string | null): void {
    this.emitter.emit('frame', { direction: 'in', text });
    this.#heardAt = performance.now();
    if (this.#phase === 'asking') this.#answered();
    let frame: FrameOf<ServerEvents>;
    try {
      frame = JSON.parse(text) as FrameOf<ServerEvents>;
    } catch (error) {
      return this.emitter.fail(error, 'frame');
    }
    if (frame.event === 'welcome') this.#welcomed(frame.data, token);
    this.owner.frame(frame);
  }

  #welcomed(welcome: WireWelcome, token: string | null): void {
    this.#user ??= welcome.user;
    // Nothing of one user goes out as another, and nothing comes into the wrong store.
    if (welcome.user !== this.#user) {
      return this.stop({ ...IDLE, state: 'stopped', why: ANOTHER_USER });
    }
    this.#openedAt = performance.now();
    this.#reason = 'connect';
    this.#listenAgain();
    this.owner.opened(welcome); // First, so that whoever hears "online" finds the user.
    this.#tell(ONLINE);
    const serverAheadMs = Date.parse(welcome.serverTime) - this.#openedAt;
    if (token !== null) this.#renewal.start(token, serverAheadMs);
  }

  /** Somebody is there. */
  #answered(): void {
    this.#listenAgain();
    this.#tell(ONLINE);
  }

  #listenAgain(): void {
    this.#phase = 'quiet';
    this.#listenFor(this.options.heartbeatMs);
  }

  /** Asks when nothing comes for so long. A frame does not move the timer, which looks when it fires. */
  #listenFor(ms: number): void {
    const from = performance.now();
    this.#wait(ms, (slept) => {
      const silenceMs = performance.now() - Math.max(this.#heardAt, from);
      if (slept) this.#ask(DOUBT_WITHIN_MS);
      else if (this.#heardAt > from && silenceMs < this.options.heartbeatMs)
        this.#listenFor(this.options.heartbeatMs - silenceMs);
      else this.#ask(ANSWER_WITHIN_MS);
    });
  }

  #ask(withinMs: number): void {
    this.#phase = 'asking';
    // After a sleep the answer may be there already, unread.
    this.#wait(withinMs, (slept) => (slept ? this.#ask(DOUBT_WITHIN_MS) : this.#ended(4408)));
    this.#write({ event: 'ping', data: {} });
  }

  #write(frame: FrameOf<WireEvents>): void {
    const text = JSON.stringify(frame);
    if (frame.event !== 'renew') this.emitter.emit('frame', { direction: 'out', text });
    this.#socket?.send(text);
  }

  /** The connection ended, or could not be opened. */
  #ended(code: number, reason = '', why = endingOf(code).why): void {
    const wasOpen = this.isOpen;
    if (wasOpen && code === 1009) this.owner.tooBig();
    this.#drop();
    if (wasOpen) this.#backoff.lasted(performance.now() - this.#openedAt);
    const { next } = endingOf(code);
    if (next === 'stop') return this.stop({ ...IDLE, state: 'stopped', why, code });
    if (next === 'renew') this.#reason = 'expired';
    // A new token is asked for at once, but not again and again.
    const isAtOnce = next === 'renew' && this.#backoff.isFresh;
    const pauseMs = pauseOf(code, reason) ?? this.#backoff.next();
    this.#pause(isAtOnce ? 0 : pauseMs, why, code);
  }

  #pause(ms: number, why: string, code: number | null): void {
    this.#phase = 'waiting';
    this.#wait(ms, () => void this.#open());
    this.#tell({ state: 'waiting', why, code, retryAt: Date.now() + ms });
  }

  /** Browsers do not say why a handshake was refused; a plain request is told [protocol 7]. */
  async #explain(url: URL, token: string | null): Promise<void> {
    const attempt = this.#attempt;
    const refusal = await explainRefusal(url, token);
    if (attempt !== this.#attempt || this.#phase !== 'waiting') return;
    if (refusal.code === 401) this.#reason = 'refused';
    if (refusal.retryAfterMs !== null) this.#pause(refusal.retryAfterMs, refusal.why, refusal.code);
    else this.#tell({ ...this.#state, why: refusal.why, code: refusal.code });
  }

  #drop(): void {
    this.#attempt += 1;
    clearTimeout(this.#timer);
    this.#renewal.stop();
    const socket = this.#socket;
    const wasOpen = this.isOpen;
    this.#socket = null;
    this.#phase = 'down';
    if (wasOpen) this.owner.shut();
    socket?.close();
  }

  #wait(ms: number, then: (slept: boolean) => void): void {
    clearTimeout(this.#timer);
    this.#due = performance.now() + ms;
    const due = Date.now() + ms; // The other clock may stand still while the machine sleeps.
    this.#timer = setTimeout(() => then(Date.now() - due > SLEPT_MS), Math.min(ms, MAX_TIMER_MS));
  }

  #tell(state: StateChange): void {
    if (isSame(state, this.#state)) return;
    this.#state = state;
    this.owner.stateChanged(state);
  }
}
