import { endingOf, explainRefusal } from './ending.js';
import { byteLength } from './joining.js';

const SUBPROTOCOL = 'chat.v1.json';
const ACK_WITHIN_MS = 50;
const ANSWER_WITHIN_MS = 15_000;
const STEADY_AFTER_MS = 10_000;
const MAX_BACKOFF_MS = 30_000;
/**
 * The most messages without a receipt. A long outbox is not sent at once, because the server limits frames per second.
 */
const MAX_WRITTEN = 16;
const MAX_UNRECEIPTED = 200;
const MAX_SEEN = 5_000;

const NO_ANSWER = 4408;
const FRAME_TOO_BIG = 1009;
/** The browser sets this code itself, also when a handshake was refused. */
const UNEXPLAINED = 1006;

/** Returns a message id. crypto.randomUUID does not exist in pages that came over plain HTTP. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * One user's connection to the server, over several WebSockets if needed. A message stays in the outbox until its
 * receipt or refusal comes. After a reconnect it is written again with the same id. A broadcast is written at most
 * once. Nothing outlives the page.
 */
export class ChatConnection {
  #path;
  /** Null until a server has said whose token it is. */
  #user;
  /**
   * Null where the name is believed.
   * @type {string | null}
   */
  #token = null;
  #listener;
  #socket = null;
  #welcomedAt = null;
  #attempts = 0;
  #maxContentBytes = Infinity;
  #ackWindow = 256;
  #clockAheadMs = 0;
  #timers = { retry: undefined, answer: undefined, ack: undefined };
  #acked = { seq: 0, at: 0 };
  #handledSeq = 0;
  /** By id, in the order of sending. */
  #outbox = new Map();
  #seen = new Set();

  /** The path of the socket is below that of the page. Without a `user`, a token has to say who it is. */
  constructor(path, { user = null }, listener) {
    this.#path = path;
    this.#user = user;
    this.#listener = listener;
  }

  /** The server's time, in milliseconds since 1970. */
  get now() {
    return Date.now() + this.#clockAheadMs;
  }

  get unreceipted() {
    return this.#outbox.size;
  }

  connect(token = this.#token) {
    this.#drop();
    this.#token = token;
    const url = new URL(`.${this.#path}`, location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    if (token === null) url.search = new URLSearchParams({ user: this.#user });
    const socket = new WebSocket(url, token === null ? SUBPROTOCOL : [SUBPROTOCOL, `bearer.${token}`]);
    const ifCurrent = (handle) => (event) => socket === this.#socket && handle(event);
    socket.onmessage = ifCurrent(({ data }) => this.#onFrame(JSON.parse(data)));
    socket.onclose = ifCurrent(({ code, reason }) => this.#onClosed(code, reason));
    this.#socket = socket;
    this.#acked = { seq: 0, at: 0 };
    this.#handledSeq = 0;
    this.#listener.onConnecting(this.#user);
  }

  disconnect() {
    this.#acknowledge();
    this.#drop();
    this.#takeBack();
    this.#listener.onOffline('you disconnected', null);
  }

  /** Returns why a content can't be sent, or null when it can. */
  objection(content) {
    const bytes = byteLength(content);
    if (bytes > this.#maxContentBytes) {
      return `This has ${bytes} bytes and may have ${this.#maxContentBytes}; send it in parts.`;
    }
    return this.#outbox.size < MAX_UNRECEIPTED ? null : 'Too many messages wait to be sent; wait for the connection.';
  }

  /** Sends it now, or when the connection is back. It goes to everyone when `to` is null. */
  send(id, to, content) {
    const direct = to !== null;
    // The own broadcast comes back as a message. It is shown already.
    if (!direct) this.#isNew(this.#user, id);
    const frame = JSON.stringify(
      direct ? { event: 'send', data: { to, content, id } } : { event: 'broadcast', data: { content, id } },
    );
    this.#outbox.set(id, { frame, direct, written: false });
    this.#listener.onProgress(id, 'waiting');
    this.#write();
  }

  #onFrame({ event, data }) {
    this.#stop('answer');
    if (event === 'welcome') this.#onWelcome(data);
    else if (event === 'message') this.#onMessage(data);
    else if (event === 'caught-up') this.#listener.onCaughtUp(data.delivered);
    else if (event === 'exception') this.#onRefused(data);
    else if (event === 'receipts') {
      for (const receipt of data) if (this.#outbox.delete(receipt.id)) this.#listener.onReceipt(receipt, this.now);
    }
    this.#write();
  }

  #onWelcome({ user, ackWindow, maxContentBytes, serverTime }) {
    // Messages that were written here would be sent in the name of somebody else.
    if (this.#user !== null && this.#user !== user) {
      return this.#end({
        why: `that is a token of ${user}, and this page is ${this.#user}’s; “Change user” begins anew`,
        next: 'renew',
      });
    }
    this.#user = user;
    this.#ackWindow = ackWindow;
    this.#maxContentBytes = maxContentBytes;
    this.#clockAheadMs = Date.parse(serverTime) - Date.now();
    this.#welcomedAt = performance.now();
    this.#listener.onOnline(user);
  }

  #onMessage(message) {
    const { seq, from, id } = message;
    // A repeat was shown before, but its seq is new and needs an ack all the same [protocol 2.5].
    if (this.#isNew(from, id)) this.#listener.onMessage(message, this.now);
    if (seq === undefined) return;
    this.#handledSeq = seq;
    const waitMs = this.#acked.at + ACK_WITHIN_MS - performance.now();
    if (waitMs <= 0 || seq - this.#acked.seq >= this.#ackWindow / 2) this.#acknowledge();
    else this.#timers.ack ??= setTimeout(() => this.#acknowledge(), waitMs);
  }

  #acknowledge() {
    this.#stop('ack');
    if (this.#handledSeq === this.#acked.seq) return;
    this.#acked = { seq: this.#handledSeq, at: performance.now() };
    this.#socket?.send(JSON.stringify({ event: 'ack', data: { seq: this.#handledSeq } }));
  }

  #onRefused(refusal) {
    this.#outbox.delete(refusal.id);
    this.#listener.onRefused(refusal);
  }

  async #onClosed(code, reason) {
    if (code !== UNEXPLAINED || this.#welcomedAt !== null) return this.#end(endingOf(code, reason), code);
    const socket = this.#socket;
    const refusal = await explainRefusal(this.#path, this.#token);
    if (socket === this.#socket) this.#end(refusal); // Meanwhile nobody disconnected or tried again.
  }

  #end({ why, next, pauseMs = null }, code) {
    if (this.#welcomedAt !== null && performance.now() - this.#welcomedAt > STEADY_AFTER_MS) this.#attempts = 0;
    this.#drop();
    if (code === FRAME_TOO_BIG) this.#giveUpBiggest(why);
    this.#takeBack();
    if (next === 'renew' && this.#token !== null) return this.#listener.onTokenNeeded(why);
    const backoffMs = () => Math.random() * Math.min(MAX_BACKOFF_MS, 500 * 2 ** this.#attempts++);
    const delayMs = next === 'backoff' ? backoffMs() : pauseMs;
    if (delayMs !== null) this.#timers.retry = setTimeout(() => this.connect(), delayMs);
    this.#listener.onOffline(why, delayMs);
  }

  /** Drops the socket and ignores what it still brings. Messages without an ack come again. */
  #drop() {
    for (const name of Object.keys(this.#timers)) this.#stop(name);
    const socket = this.#socket;
    this.#socket = this.#welcomedAt = null;
    socket?.close();
  }

  /** Writes what waits in the outbox, in order, and starts the timer for its receipts. */
  #write() {
    if (this.#welcomedAt === null) return;
    let written = 0;
    for (const [id, entry] of this.#outbox) {
      if (++written > MAX_WRITTEN) break;
      if (entry.written) continue;
      entry.written = true;
      this.#socket.send(entry.frame);
      this.#listener.onProgress(id, 'sending');
    }
    // A connection whose network is gone looks open for minutes. Only a frame from the server resets this timer.
    if (written > 0) this.#timers.answer ??= setTimeout(() => this.#end(endingOf(NO_ANSWER)), ANSWER_WITHIN_MS);
  }

  /** The socket is gone: messages without a receipt have to be written again. */
  #takeBack() {
    for (const [id, entry] of this.#outbox) {
      if (!entry.written) continue;
      entry.written = false;
      if (!entry.direct) this.#outbox.delete(id);
      this.#listener.onProgress(id, entry.direct ? 'waiting' : 'unknown');
    }
  }

  /**
   * The server closed because of one frame, which it does not name. If it were written again, the server would close
   * again.
   */
  #giveUpBiggest(message) {
    const written = [...this.#outbox].filter(([, entry]) => entry.written);
    const biggest = written.sort(([, a], [, b]) => byteLength(b.frame) - byteLength(a.frame))[0];
    if (biggest) this.#onRefused({ id: biggest[0], code: 'CONTENT_TOO_LARGE', message, temporary: false });
  }

  #isNew(from, id) {
    const key = `${from}\n${id}`; // A user name never has a line feed.
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.values().next().value);
    return true;
  }

  #stop(timer) {
    clearTimeout(this.#timers[timer]);
    this.#timers[timer] = undefined;
  }
}
