// The rows of the conversation.

const MAX_ROWS = 1_000;
/** A reader who is within this distance of the end, in pixels, follows the conversation. */
const NEAR_END = 40;

export const STATES = {
  waiting: 'waits for the connection',
  sending: 'sending…',
  delivered: 'delivered',
  stored: 'stored until fetched',
  unknown: 'perhaps not sent, the connection broke',
};

export const at = (id) => document.getElementById(id);

/** Makes an element with these properties. What people wrote is set as `textContent`, never as HTML. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** `12 s`, `5 min`, `3 h`, `2 days`. */
export function inWords(ms) {
  const seconds = Math.max(1, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 48 * 3_600 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} days`;
}

export function timeElement(ms, now) {
  const time = new Date(ms);
  const today = time.toDateString() === new Date(now).toDateString();
  const textContent = time.toLocaleString([], { dateStyle: today ? undefined : 'medium', timeStyle: 'short' });
  return element('time', { dateTime: time.toISOString(), title: time.toLocaleString(), textContent });
}

function messageRow(className, content, ...about) {
  return element(
    'li',
    { className: `message ${className}` },
    element('p', { className: 'about' }, ...about),
    element('p', { className: 'content', dir: 'auto', textContent: content }),
  );
}

/**
 * The rows of the conversation. The newest is in sight unless the reader has scrolled up. The oldest are dropped above
 * a bound.
 */
export class Log {
  #pinned = true;
  #scrolling = false;
  #unread = 0;
  /** By message id: where the state of an own message is shown, and how to send it again. */
  #own = new Map();

  constructor() {
    at('log').addEventListener('scroll', () => this.#onScrolled());
    at('newest').addEventListener('click', () => this.#toEnd());
    document.addEventListener('visibilitychange', () => this.#showUnread());
    // The keyboard of a phone takes half of the height.
    new ResizeObserver(() => this.#pinned && this.#toEnd()).observe(at('log'));
  }

  addNotice(text) {
    this.#append(element('li', { className: 'notice' }, element('span', { textContent: text })));
  }

  addMessage({ seq, from, content, sentAt, stored }, now) {
    const about = [element('bdi', { textContent: from }), seq === undefined ? ' to everyone · ' : ' · '];
    about.push(timeElement(Date.parse(sentAt), now));
    if (stored) {
      const textContent = `waited ${inWords(now - Date.parse(sentAt))}`;
      about.push(' · ', element('span', { className: 'waited', textContent }));
    }
    this.#unread += 1;
    this.#append(messageRow(stored ? 'late' : 'live', content, ...about));
  }

  addOwn(id, to, content, now, sendAgain) {
    const recipient = to === null ? 'everyone' : element('bdi', { textContent: to });
    const time = element('span', {}, timeElement(now, now));
    const state = element('span', { className: 'state' });
    const row = messageRow('own', content, 'to ', recipient, ' · ', time, ' · ', state);
    row.dataset.id = id;
    this.#own.set(id, { state, time, sendAgain });
    this.#pinned = true;
    this.#append(row);
  }

  /** Shows the outcome of an own message; returns false when it has no row. */
  setState(id, name, { words = STATES[name], canRetry = false, time } = {}) {
    const own = this.#own.get(id);
    if (!own) return false;
    own.state.dataset.state = name;
    own.state.textContent = words;
    if (time) own.time.replaceChildren(time);
    if (canRetry) own.state.append(element('button', { textContent: 'Send again', onclick: own.sendAgain }));
    return true;
  }

  #append(row) {
    at('rows').append(row);
    while (at('rows').childElementCount > MAX_ROWS) {
      const oldest = at('rows').firstElementChild;
      this.#own.delete(oldest.dataset.id);
      oldest.remove();
    }
    if (this.#pinned && !this.#scrolling) {
      this.#scrolling = true; // One layout for all messages that come before the next frame is painted.
      requestAnimationFrame(() => this.#toEnd());
    }
    this.#showUnread();
  }

  #toEnd() {
    this.#scrolling = false;
    this.#pinned = true;
    at('log').scrollTop = at('log').scrollHeight;
    this.#showUnread();
  }

  #onScrolled() {
    if (this.#scrolling) return;
    const { scrollHeight, scrollTop, clientHeight } = at('log');
    this.#pinned = scrollHeight - scrollTop - clientHeight < NEAR_END;
    this.#showUnread();
  }

  #showUnread() {
    if (this.#pinned && !document.hidden) this.#unread = 0;
    document.title = this.#unread > 0 ? `(${this.#unread}) Holdfast` : 'Holdfast';
    at('newest').hidden = this.#pinned || this.#unread === 0;
    at('newest').textContent = `${this.#unread} new below`;
  }
}
