const SUBPROTOCOL = 'chat.v1.json';
const ACK_WITHIN_MS = 50;
const ANSWER_WITHIN_MS = 15_000;
const STEADY_AFTER_MS = 10_000;
const MAX_BACKOFF_MS = 30_000;
/** Messages written and not receipted; a long outbox is not poured out at once, as the server limits frames per second. */
const MAX_WRITTEN = 16;
const MAX_UNRECEIPTED = 200;
const MAX_SEEN = 5_000;

const NO_ANSWER = 4408;
const FRAME_TOO_BIG = 1009;

/** Why a connection ended, by close code, and what to do then [protocol 5]. */
const ENDINGS = {
  1001: ['the server is going away', 'soon'],
  1006: ['the connection was lost', 'backoff'],
  1009: ['the server does not take so big a message', 'backoff'],
  1011: ['the server failed', 'backoff'],
  1013: ['the server has too much to do', 'backoff'],
  4400: ['the server did not understand this page', 'stop'],
  4401: ['the credentials have expired', 'stop'],
  4403: ['disconnected by an administrator', 'stop'],
  4408: ['the connection fell silent', 'backoff'],
  4409: ['replaced by a newer connection under the same name', 'stop'],
  4429: ['too much was sent in a short time', 'backoff'],
};

const byteLength = (text) => new TextEncoder().encode(text).length;

/** The name in the server's spelling, or null when it is not one: the browser could not tell why the server refuses it. */
export function readName(raw) {
  const name = raw.trim().normalize('NFC');
  return name === '' || byteLength(name) > 128 || /[|\uFFFD\p{C}\p{Zl}\p{Zp}]/u.test(name) ? null : name;
}

/** A message id. Not crypto.randomUUID, which pages that came over plain HTTP do not have. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * One user's line to the server, over as many WebSockets as it takes. A message stays in the outbox until its receipt or
 * refusal comes and is written again, with the same id, after a reconnect. It does not promise that of a broadcast, which
 * goes out at most once, nor that anything outlives the page.
 */
export class ChatConnection {
  #user;
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

  constructor(user, listener) {
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

  connect() {
    this.#drop();
    const url = new URL('/chat', location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    url.search = new URLSearchParams({ user: this.#user });
    const socket = new WebSocket(url, SUBPROTOCOL);
    const ifCurrent = (handle) => (event) => socket === this.#socket && handle(event);
    socket.onmessage = ifCurrent(({ data }) => this.#onFrame(JSON.parse(data)));
    socket.onclose = ifCurrent(({ code, reason }) => this.#onEnded(code, reason));
    this.#socket = socket;
    this.#acked = { seq: 0, at: 0 };
    this.#handledSeq = 0;
    this.#listener.onConnecting();
  }

  disconnect() {
    this.#acknowledge();
    this.#drop();
    this.#takeBack();
    this.#listener.onOffline('you disconnected', null);
  }

  /** Says why a content can't be sent, or null when it can. */
  objection(content) {
    const bytes = byteLength(content);
    if (bytes > this.#maxContentBytes) {
      return `This has ${bytes} bytes and may have ${this.#maxContentBytes}; send it in parts.`;
    }
    return this.#outbox.size < MAX_UNRECEIPTED ? null : 'Too many messages wait to be sent; wait for the connection.';
  }

  /** Sends it now, or when the connection is back; to everyone when `to` is null. */
  send(id, to, content) {
    const direct = to !== null;
    // The own broadcast comes back as a message, and is shown already.
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
    this.#user = user;
    this.#ackWindow = ackWindow;
    this.#maxContentBytes = maxContentBytes;
    this.#clockAheadMs = Date.parse(serverTime) - Date.now();
    this.#welcomedAt = performance.now();
    this.#listener.onOnline();
  }

  #onMessage(message) {
    const { seq, from, id } = message;
    // A repeat was handled before, but its seq is new and wants its ack all the same [protocol 2.5].
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

  #onEnded(code, reason = '') {
    let [why, next] = ENDINGS[code] ?? [`the connection ended with code ${code}`, 'backoff'];
    if (code === 1006 && this.#welcomedAt === null) why = 'the server cannot be reached, or it refuses the connection';
    if (this.#welcomedAt !== null && performance.now() - this.#welcomedAt > STEADY_AFTER_MS) this.#attempts = 0;
    this.#drop();
    if (code === FRAME_TOO_BIG) this.#giveUpBiggest(why);
    this.#takeBack();
    let delayMs = null;
    // The server knows how many have to come back; without its word, 1 to 5 s [protocol 9].
    const [, seconds = 1 + Math.floor(Math.random() * 4)] = /\bretry-after=(\d+)/.exec(reason) ?? [];
    if (next === 'soon') delayMs = (Number(seconds) + Math.random()) * 1_000;
    if (next === 'backoff') delayMs = Math.random() * Math.min(MAX_BACKOFF_MS, 500 * 2 ** this.#attempts++);
    if (delayMs !== null) this.#timers.retry = setTimeout(() => this.connect(), delayMs);
    this.#listener.onOffline(why, delayMs);
  }

  /** Forgets the socket, whatever it still has to say; what it brought and nobody acknowledged comes again. */
  #drop() {
    for (const name of Object.keys(this.#timers)) this.#stop(name);
    const socket = this.#socket;
    this.#socket = this.#welcomedAt = null;
    socket?.close();
  }

  /** Writes what waits in the outbox, in order, and expects an answer to it. */
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
    // A network that went away without a word looks open for minutes; only a frame that comes puts this off.
    if (written > 0) this.#timers.answer ??= setTimeout(() => this.#onEnded(NO_ANSWER), ANSWER_WITHIN_MS);
  }

  /** The socket is gone: what has no receipt is to be written again. */
  #takeBack() {
    for (const [id, entry] of this.#outbox) {
      if (!entry.written) continue;
      entry.written = false;
      if (!entry.direct) this.#outbox.delete(id);
      this.#listener.onProgress(id, entry.direct ? 'waiting' : 'unknown');
    }
  }

  /** The server closed because of one frame, which it does not name: written again, it would close again. */
  #giveUpBiggest(message) {
    const written = [...this.#outbox].filter(([, entry]) => entry.written);
    const biggest = written.sort(([, a], [, b]) => byteLength(b.frame) - byteLength(a.frame))[0];
    if (biggest) this.#onRefused({ id: biggest[0], code: 'CONTENT_TOO_LARGE', message, temporary: false });
  }

  #isNew(from, id) {
    const key = `${from}\n${id}`; // No name holds a line feed.
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
