// The page at `/`. It shows what a ChatConnection reports, and hands it what people write. It knows nothing of frames.

import { ChatConnection, newId } from './connection.js';
import { fetchSettings, readName, readToken } from './joining.js';
import { at, element, inWords, Log, STATES, timeElement } from './log.js';

const MAX_SUGGESTED = 50;

function showStatus(state, text) {
  at('status').dataset.state = state;
  at('status').textContent = text;
  at('connect').hidden = state !== 'waiting' && state !== 'stopped';
  at('disconnect').hidden = state === 'stopped';
}

/** Offers the names of earlier senders and recipients while a recipient is typed. */
function suggest(name) {
  const known = [...at('people').children].find((option) => option.value === name);
  at('people').prepend(known ?? element('option', { value: name }));
  if (at('people').childElementCount > MAX_SUGGESTED) at('people').lastElementChild.remove();
}

/** Shows the events of a connection in the log and the status line. */
function listenerFor(log) {
  return {
    onConnecting: (user) => showStatus('connecting', user === null ? 'connecting…' : `connecting as ${user}…`),
    onOnline(user) {
      showStatus('online', `online as ${user}`);
      showChat();
    },
    onOffline(why, retryMs) {
      if (retryMs === null) showStatus('stopped', `offline: ${why}`);
      else showStatus('waiting', `offline: ${why}; trying again in ${inWords(retryMs)}`);
      showChat(); // The token, if one was asked for, is not the problem.
    },
    onTokenNeeded(why) {
      showStatus('stopped', 'offline: another token is needed');
      at('connect').hidden = at('disconnect').hidden = true; // Another try needs another token.
      at('token').value = '';
      at('join').hidden = false;
      at('join-error').textContent = `Not connected: ${why}.`; // Last: screen readers skip hidden changes.
      // Do not take the focus from somebody who is writing.
      if (!at('chat').contains(document.activeElement)) at('token').focus();
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
      at('spoken').textContent = words; // Screen readers do not read out a change within the log.
    },
  };
}

function showChat() {
  const first = at('chat').hidden;
  const asked = at('join').contains(document.activeElement);
  at('join').hidden = true;
  at('chat').hidden = at('rename').hidden = false;
  if (first) at('recipient').focus();
  else if (asked) at('content').focus();
}

/** Makes the page a chat over this connection, which is opened later. */
function startChat(path, who) {
  const log = new Log();
  const connection = new ChatConnection(path, who, listenerFor(log));

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
    if (connection.unreceipted > 0) event.preventDefault(); // Messages without a receipt would be lost with the page.
  });

  onAudience();
  return connection;
}

/**
 * The name in the address, so that a reload or a bookmark connects again; it never leaves the browser with a request.
 */
function nameInAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return ''; // Somebody edited the address into something that is not a name.
  }
}

function joinByName(path) {
  const join = (raw) => {
    const user = readName(raw);
    if (user === null) {
      at('join-error').textContent =
        'A name has 1 to 128 bytes, no “|”, and no control or invisible characters. Please choose another.';
      return at('name').focus();
    }
    history.replaceState(null, '', `#${encodeURIComponent(user)}`);
    const connection = startChat(path, { user });
    showChat();
    connection.connect();
  };
  addEventListener('hashchange', () => location.reload());
  at('join').addEventListener('submit', () => join(at('name').value));
  if (nameInAddress()) join((at('name').value = nameInAddress()));
}

/** The token stays in this page's memory. It is never kept anywhere that outlives the page. */
function joinByToken(path) {
  let connection = null;
  at('rename').textContent = 'Change user';
  at('join').addEventListener('submit', () => {
    const token = readToken(at('token').value);
    if (token === null) {
      at('join-error').textContent =
        'That is no token that the server could take. A JSON Web Token is three parts divided by dots, such as eyJ….eyJ….abc, of 8,192 characters at most; please copy all of it.';
      return at('token').focus();
    }
    at('token').value = at('join-error').textContent = '';
    connection ??= startChat(path, {});
    connection.connect(token);
  });
}

/** Asks the server where the socket is and how it authenticates, then asks the person for a name or a token. */
async function start() {
  at('join').addEventListener('submit', (event) => event.preventDefault());
  const settings = await fetchSettings();
  if (settings === null) {
    showStatus('stopped', 'offline: the server does not say how to connect; load the page again in a few seconds');
    at('connect').hidden = true;
    return;
  }
  const byToken = settings.users === 'token';
  at('by-name').hidden = at('by-name').disabled = byToken;
  at('by-token').hidden = at('by-token').disabled = !byToken;
  at('join').hidden = false;
  at(byToken ? 'token' : 'name').focus();
  if (byToken) joinByToken(settings.path);
  else joinByName(settings.path);
}

await start();
