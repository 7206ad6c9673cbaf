// The page at `/`: shows what a ChatConnection tells, and hands it what people write. It knows nothing of frames.

import { ChatConnection, newId, readName } from './connection.js';

const MAX_ROWS = 1_000;
const MAX_SUGGESTED = 50;
/** Pixels from the end within which a reader is taken to follow the conversation. */
const NEAR_END = 40;

const STATES = {
  waiting: 'waits for the connection',
  sending: 'sending…',
  delivered: 'delivered',
  stored: 'stored until fetched',
  unknown: 'perhaps not sent, the connection broke',
};

const at = (id) => document.getElementById(id);

/** An element with these properties. What people wrote goes in as `textContent`, never as HTML. */
function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** `12 s`, `5 min`, `3 h`, `2 days`. */
function inWords(ms) {
  const seconds = Math.max(1, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 48 * 3_600 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} days`;
}

function timeElement(ms, now) {
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

/** The rows of the conversation: the newest in sight unless the reader has scrolled up, the oldest dropped past a bound. */
class Log {
  #pinned = true;
  #scrolling = false;
  #unread = 0;
  /** By id: where the state of an own message is shown, and how to send it again. */
  #own = new Map();

  constructor() {
    at('log').addEventListener('scroll', () => this.#onScrolled());
    at('newest').addEventListener('click', () => this.#toEnd());
    document.addEventListener('visibilitychange', () => this.#showUnread());
    // The keyboard of a phone takes half of the height away.
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

  /** Shows what became of an own message; answers false when there is no such row. */
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
      this.#scrolling = true; // One layout for all that comes before the next frame is painted.
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

function showStatus(state, text) {
  at('status').dataset.state = state;
  at('status').textContent = text;
  at('connect').hidden = state !== 'waiting' && state !== 'stopped';
  at('disconnect').hidden = state === 'stopped';
}

/** Offers a name that was written to or heard from when the recipient is typed. */
function suggest(name) {
  const known = [...at('people').children].find((option) => option.value === name);
  at('people').prepend(known ?? element('option', { value: name }));
  if (at('people').childElementCount > MAX_SUGGESTED) at('people').lastElementChild.remove();
}

/** What the log and the status line make of the news of a connection. */
function listenerFor(user, log) {
  return {
    onConnecting: () => showStatus('connecting', `connecting as ${user}…`),
    onOnline: () => showStatus('online', `online as ${user}`),
    onOffline(why, retryMs) {
      if (retryMs === null) showStatus('stopped', `offline: ${why}`);
      else showStatus('waiting', `offline: ${why}; trying again in ${inWords(retryMs)}`);
    },
    onCaughtUp(count) {
      if (count > 0) log.addNotice(`${count} waited for you; what follows is live`);
    },
    onMessage(message, now) {
      log.addMessage(message, now);
      suggest(message.from);
    },
    onProgress: (id, name) => log.setState(id, name, { canRetry: name === 'unknown' }),
    onReceipt({ id, status, recipients, sentAt }, now) {
      const words = status === 'broadcast' ? `sent to ${recipients}` : STATES[status];
      log.setState(id, status, { words, time: timeElement(Date.parse(sentAt), now) });
    },
    onRefused({ id, message, temporary }) {
      const words = `refused: ${message}`;
      if (!log.setState(id, 'refused', { words, canRetry: temporary })) log.addNotice(words);
      at('spoken').textContent = words; // A change within the log is not read out.
    },
  };
}

function startChat(user) {
  const log = new Log();
  const connection = new ChatConnection(user, listenerFor(user, log));

  const send = (id, to, content) => {
    const objection = connection.objection(content);
    at('compose-error').textContent = objection ?? '';
    if (objection) return false;
    const sendAgain = () => send(id, to, content);
    if (!log.setState(id, 'waiting')) log.addOwn(id, to, content, connection.now, sendAgain);
    connection.send(id, to, content);
    return true;
  };

  at('compose').addEventListener('submit', (event) => {
    event.preventDefault();
    const to = at('everyone').checked ? null : at('recipient').value.trim().normalize('NFC');
    if (at('content').value === '') return at('content').focus();
    if (!send(newId(), to, at('content').value)) return;
    if (to !== null) suggest(to);
    at('content').value = '';
    at('content').focus();
  });
  at('content').addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    at('compose').requestSubmit();
  });
  const onAudience = () => {
    at('recipient').required = at('one').checked;
    at('send').textContent = at('one').checked ? 'Send' : 'Send to all';
  };
  at('one').addEventListener('change', onAudience);
  at('everyone').addEventListener('change', onAudience);
  at('recipient').addEventListener('input', () => {
    at('one').checked = true;
    onAudience();
  });

  at('connect').addEventListener('click', () => connection.connect());
  at('disconnect').addEventListener('click', () => connection.disconnect());
  addEventListener('online', () => at('status').dataset.state === 'waiting' && connection.connect());
  addEventListener('beforeunload', (event) => {
    if (connection.unreceipted > 0) event.preventDefault(); // What has no receipt would be lost with the page.
  });

  at('join').hidden = true;
  at('chat').hidden = at('rename').hidden = false;
  onAudience();
  at('recipient').focus();
  connection.connect();
}

/** The name in the address, so that a reload or a bookmark connects again; it never leaves the browser with a request. */
function nameInAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return ''; // Somebody edited the address into something that is no name.
  }
}

function join(raw) {
  const user = readName(raw);
  if (user === null) {
    at('join-error').textContent =
      'A name has 1 to 128 bytes, no “|”, and no control or invisible characters. Please choose another.';
    return at('name').focus();
  }
  history.replaceState(null, '', `#${encodeURIComponent(user)}`);
  startChat(user);
}

at('join').addEventListener('submit', (event) => {
  event.preventDefault();
  join(at('name').value);
});
addEventListener('hashchange', () => location.reload());
if (nameInAddress()) join((at('name').value = nameInAddress()));
