// Every text that the page shows. Numbers, dates and durations are written as the browser's language has them.

import type { ReceiptEvent, RefusalCode } from '../client/src/api.js';

const numbers = new Intl.NumberFormat();
const plurals = new Intl.PluralRules('en');

export function numberOf(value: number): string {
  return numbers.format(value);
}

/** `1 message`, `2,000 messages`. */
export function countOf(value: number, one: string, other: string): string {
  return `${numberOf(value)} ${plurals.select(value) === 'one' ? one : other}`;
}

/** `12 sec`, `5 min`, `3 hr`, `2 days`: in the largest unit of which there is one, or for days two. */
export function durationOf(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1_000));
  const [value, unit] =
    seconds < 60
      ? [seconds, 'second']
      : seconds < 3_600
        ? [Math.floor(seconds / 60), 'minute']
        : seconds < 48 * 3_600
          ? [Math.floor(seconds / 3_600), 'hour']
          : [Math.floor(seconds / 86_400), 'day'];
  return new Intl.NumberFormat(undefined, { style: 'unit', unit, unitDisplay: 'short' }).format(value);
}

const times = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const moments = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const exactTimes = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium', hourCycle: 'h23' });
const days = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const daysOfYear = new Intl.DateTimeFormat(undefined, { dateStyle: 'full' });
const shortDays = new Intl.DateTimeFormat(undefined, { dateStyle: 'short' });
const relativeDays = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });

export const timeOf = (ms: number): string => times.format(ms);
export const momentOf = (ms: number): string => moments.format(ms);

/** With milliseconds, for frames. */
export function exactTimeOf(ms: number): string {
  return `${exactTimes.format(ms)}.${String(new Date(ms).getMilliseconds()).padStart(3, '0')}`;
}

/** Days between two moments, in the browser's time zone. */
function daysBetween(earlier: number, later: number): number {
  const midnight = (ms: number) => new Date(ms).setHours(0, 0, 0, 0);
  return Math.round((midnight(later) - midnight(earlier)) / 86_400_000);
}

/** `Today`, `Yesterday`, or the date. */
export function dayOf(ms: number, now: number): string {
  const ago = daysBetween(ms, now);
  if (ago === 0 || ago === 1) {
    const text = relativeDays.format(-ago, 'day');
    return text.charAt(0).toLocaleUpperCase() + text.slice(1);
  }
  return (new Date(ms).getFullYear() === new Date(now).getFullYear() ? days : daysOfYear).format(ms);
}

/** The time of today, else the date. */
export function shortMomentOf(ms: number, now: number): string {
  return (daysBetween(ms, now) === 0 ? times : shortDays).format(ms);
}

/** What `index.html` shows, by its `data-text`, `data-label` (for screen readers) and `data-hint` (in fields). */
export const FIXED: Readonly<Record<string, string>> = {
  joinTitle: 'Who are you?',
  joinLead: 'Messages reach people live. Whoever is away gets theirs on coming back, in order and with the time.',
  yourName: 'Your name',
  yourToken: 'Your token',
  tokenNote:
    'A JSON Web Token (JWT) from whoever runs this server. This page keeps it only until it is closed or reloaded, and stores it nowhere.',
  joinButton: 'Connect',
  joinNote: 'To see both ends, open this page twice and connect as two users.',
  menu: 'Menu',
  notify: 'Notify me',
  frames: 'Frames',
  disconnect: 'Disconnect',
  signOut: 'Sign out',
  people: 'Conversations',
  newConversation: 'New conversation with',
  nameHint: 'name',
  open: 'Open',
  back: 'Back to the conversations',
  nothingOpen: 'Choose a conversation, or say whom to write to.',
  messages: 'Messages',
  earlier: 'Show earlier messages',
  morePeople: 'Show more conversations',
  nothingSaid: 'Nothing said yet.',
  everyoneNote: 'Goes to everybody who is connected at that moment. It does not wait for anybody.',
  messageHint: 'Message',
  send: 'Send',
  framesTitle: 'Frames',
  framesLead: 'What goes over the wire: the JSON protocol, chat.v1.json. Tokens are not shown.',
  pause: 'Pause',
  copyAll: 'Copy all',
  empty: 'Empty',
  close: 'Close',
  noFrames: 'No frames yet.',
  leaveTitle: 'Sign out?',
  leaveAndRemove: 'Remove it and sign out',
  leaveAndKeep: 'Keep it and leave',
  stay: 'Stay',
};

export const TEXTS = {
  title: (unread: number): string => (unread > 0 ? `(${numberOf(unread)}) Holdfast` : 'Holdfast'),
  everyone: 'Everyone',
  you: (name: string): string => `${name} (you)`,
  youSaid: (content: string): string => `You: ${content}`,
  draft: (content: string): string => `Draft: ${content}`,
  unread: (count: number): string => countOf(count, 'unread message', 'unread messages'),
  newBelow: (count: number): string => `${numberOf(count)} new below`,
  newLine: (count: number): string => `${numberOf(count)} new`,
  nothingSaid: 'nothing said yet',
  waited: (ms: number): string => `waited ${durationOf(ms)}`,
  copy: 'Copy',
  copied: 'Copied',
  showAll: 'Show all',
  showLess: 'Show less',
  cancel: 'Cancel',
  sendAgain: 'Send again',
  isTyping: 'is typing…',
  nameIsTyping: (name: string): string => `${name} is typing`,
  messageTo: (name: string): string => `Message to ${name}`,
  tooLong: (bytes: number, limit: number): string =>
    `This has ${numberOf(bytes)} bytes and may have ${numberOf(limit)}; send it in parts.`,
  saidBy: (name: string, content: string): string => `${name}: ${content}`,
  manyNew: (count: number): string => countOf(count, 'new message', 'new messages'),
  manyRefused: (count: number): string => `${countOf(count, 'message was', 'messages were')} refused`,
  caughtUp: (count: number): string => `${countOf(count, 'message', 'messages')} waited for you.`,
  notBrought: (why: string): string => `Earlier messages cannot be had now: ${why}.`,
  erased: 'This message was erased.',
  notKept: 'This browser keeps nothing for this page: what is said here is gone when the page is closed.',

  connecting: (user: string): string => `connecting as ${user}…`,
  checking: 'checking the connection',
  online: (user: string): string => `online as ${user}`,
  offline: (why: string): string => (why === '' ? 'offline' : `offline: ${why}`),
  stopped: (code: number | null, why: string): string =>
    `offline: ${why === '' ? 'the server does not want this page back' : why}${ADVICE[code ?? 0] ?? ''}`,
  youDisconnected: 'offline: you disconnected',
  tokenNeeded: 'offline: another token is needed',
  retryIn: (ms: number): string => `trying again in ${durationOf(ms)}`,
  connect: 'Connect',
  tryNow: 'Try now',
  useItHere: 'Use it here',
  loadAgain: 'Load again',
  noSettings: 'offline: the server does not say how to connect; load the page again in a few seconds',

  notificationsOn: 'Notifications are on',
  notificationsDenied: 'Notifications are blocked for this page; the browser’s settings of this site can allow them.',
  framesAreIn: (openedAt: number, title: string): string =>
    `Another tab has the connection, and shows the frames: “${title}”, opened at ${timeOf(openedAt)}.`,
  framesPaused: 'Paused',
  framesResume: 'Go on',
  frameSent: 'sent',
  frameReceived: 'received',
  frameBytes: (bytes: number): string => `${numberOf(bytes)} B`,
  cutFrame: (text: string, left: number): string => `${text}… and ${countOf(left, 'character', 'characters')} more`,
  leave: (user: string, waiting: number): string =>
    `What was said as ${user} is kept in this browser` +
    (waiting > 0 ? `, and ${countOf(waiting, 'message waits', 'messages wait')} to be sent.` : '.'),
  notRemoved: (user: string): string =>
    `Not all of it could be removed: something that was said as ${user} may still be in this browser. ` +
    'Try again, or remove the data of this site in the settings of the browser.',
} as const;

/** What a person can do after the close code with which the client has stopped. */
const ADVICE: Readonly<Record<number, string>> = {
  4400: '; load this page again',
  4403: '; ask whoever runs this server',
  4409: '; only one of them can be connected',
};

/** What became of an own message. `pending` depends on the connection, see `pendingText`. */
export const STATE_TEXTS: Readonly<Record<Exclude<ReceiptEvent['status'], 'broadcast' | 'refused'> | 'read', string>> =
  {
    delivered: 'delivered',
    read: 'read',
    stored: 'stored until fetched',
    expired: 'never fetched, and removed after its time',
    purged: 'removed by an administrator before it was fetched',
    evicted: 'removed before it was fetched, as the mailbox was full',
    replaced: 'replaced by a newer one before it was fetched',
    absent: 'nobody was there to get it',
  };

export function pendingText(isOnline: boolean): string {
  return isOnline ? 'sending…' : 'waits for the connection';
}

export function broadcastText(recipients: number | undefined): string {
  return recipients === undefined ? 'sent' : `sent to ${countOf(recipients, 'connection', 'connections')}`;
}

/** `message` is the server's, in English. */
export function refusalText(code: RefusalCode | undefined, message: string | undefined): string {
  const own = code === undefined ? undefined : OWN_REFUSALS[code];
  return own ?? `refused: ${message ?? code ?? 'no reason was given'}`;
}

const OWN_REFUSALS: Partial<Record<RefusalCode, string>> = {
  OUTBOX_FULL: 'not sent: too many messages wait for the connection',
  TOO_OLD: 'not sent: it waited too long for the connection',
  UNKNOWN: 'perhaps not sent, the connection broke',
  CLOSED: 'not sent: the page was closed',
};

/** Why a text is not a user name. */
export const NAME_TEXTS = {
  empty: 'Please write a name.',
  tooLong: (bytes: number | null, limit: number): string =>
    bytes === null
      ? 'This name is too long. Please choose a shorter one.'
      : `This name is too long: letters like these take ${numberOf(bytes)} bytes, and a name may have ${numberOf(limit)}.`,
  folder: '“.” and “..” cannot be names.',
  bar: 'A name cannot have “|” in it.',
  blanks: 'A name has single spaces only, and no other kind of blank.',
  invisible: (code: string): string =>
    `There is an invisible character in this name (${code}). Delete it, or write the name anew.`,
  character: (shown: string, code: string): string => `A name cannot have “${shown}” (${code}) in it.`,
} as const;

/** Why a text is not a token, or what can be read in one that the server did not take. */
export const TOKEN_TEXTS = {
  noToken:
    'That is not a token that the server could take. A JSON Web Token is three parts divided by dots, such as eyJ….eyJ….abc, of 8,192 characters at most; please copy all of it.',
  unreadable: 'This token cannot be read; was all of it copied?',
  ended: (agoMs: number, at: number): string => `This token ended ${durationOf(agoMs)} ago (${momentOf(at)}).`,
  notYet: (inMs: number, at: number): string =>
    `This token is not valid yet: it begins in ${durationOf(inMs)} (${momentOf(at)}).`,
  endsSoon: 'The token ends soon. Paste a new one, and the connection goes on.',
  noUser: (claim: string): string => `This token names nobody: it has no text in “${claim}”.`,
  badUser: (claim: string, problem: string | null): string =>
    `This token has no user name in “${claim}”. ${problem ?? 'It is not in its only spelling.'}`,
  otherUser: (other: string, user: string): string =>
    `That is a token of ${other}, and this page is ${user}’s. “Sign out” begins anew.`,
  refused: (issuer: string, audience: string): string =>
    `The server does not take this token. It is of ${issuer}, for ${audience}: is that this server’s, and was all of it copied?`,
  noClaim: 'nobody in particular',
  expired: 'The token has expired; a new one is needed.',
  refusedWith: 'The server does not take this token:',
} as const;
