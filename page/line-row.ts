import { isLong, partsOf } from './content.js';
import { element, nameElement } from './dom.js';
import { EVERYONE, type Line } from './line.js';
import { broadcastText, momentOf, pendingText, refusalText, STATE_TEXTS, TEXTS, timeOf } from './texts.js';

/** What a person can do with a line. */
export interface LineActions {
  cancel(line: Line): void;
  sendAgain(line: Line): void;
  /** Whether the message is still in the outbox, and whether that is connected. */
  progressOf(line: Line): 'waiting' | 'sending' | 'unknown';
}

/** Refusals that another try would not change. */
const FINAL = new Set(['CONTENT_TOO_LARGE', 'BAD_RECIPIENT', 'BAD_FRAME', 'NOT_ALLOWED']);

/** Whether a line goes on with what the one before began: the same author, within the same minute. */
export function continues(line: Line, before: Line | undefined): boolean {
  if (!before || before.from !== line.from || (before.waitedMs === null) !== (line.waitedMs === null)) return false;
  const minuteOf = ({ at }: Line) => Math.floor(at / 60_000);
  return minuteOf(before) === minuteOf(line);
}

/** The row of one message. */
export function rowOf(line: Line, continued: boolean, actions: LineActions): HTMLLIElement {
  const { key, from, conversation, state, waitedMs, content, isErased } = line;
  const kind = state !== null ? 'own' : waitedMs !== null ? 'late' : 'live';
  const row = element('li', { className: `message ${kind}`, tabIndex: -1, data: { key } });
  if (continued) row.classList.add('continued');
  else row.append(headOf(line, state === null && (conversation === EVERYONE || from !== conversation)));
  if (isErased) row.append(element('p', { className: 'content quiet', textContent: TEXTS.erased }));
  else {
    const text = element('p', { className: 'content', dir: 'auto' }, ...contentNodes(content));
    row.append(text, toolsOf(content, text));
  }
  if (state !== null) showState(row, line, actions);
  return row;
}

function headOf({ from, at, state, waitedMs }: Line, hasName: boolean): HTMLElement {
  const parts: (Node | string)[] = [];
  // The name is said also where everybody sees whose conversation it is.
  if (state === null)
    parts.push(element('span', { className: hasName ? 'author' : 'author unseen' }, nameElement(from)), ' ');
  parts.push(element('time', { dateTime: new Date(at).toISOString(), title: momentOf(at), textContent: timeOf(at) }));
  if (waitedMs !== null)
    parts.push(' · ', element('span', { className: 'waited', textContent: TEXTS.waited(waitedMs) }));
  return element('p', { className: 'about' }, ...parts);
}

function contentNodes(content: string): (Node | string)[] {
  return partsOf(content).map(({ text, href }) =>
    href === null
      ? text
      : element('a', { href, target: '_blank', rel: 'noopener noreferrer nofollow', textContent: text }),
  );
}

/** The buttons of a row. Tab stops at them only when the focus is in the row: a log has thousands. */
function toolsOf(content: string, text: HTMLElement): HTMLElement {
  const tools = element('p', { className: 'tools' });
  if (isLong(content)) {
    text.classList.add('cut');
    const more = element('button', { type: 'button', className: 'more', textContent: TEXTS.showAll });
    more.setAttribute('aria-expanded', 'false');
    more.onclick = () => {
      const isCut = text.classList.toggle('cut');
      more.textContent = isCut ? TEXTS.showAll : TEXTS.showLess;
      more.setAttribute('aria-expanded', String(!isCut));
    };
    tools.append(more);
  }
  const copy = element('button', { type: 'button', className: 'copy', tabIndex: -1, textContent: TEXTS.copy });
  copy.onclick = () => void copyText(content).then((done) => done && confirmCopy(copy));
  tools.append(copy);
  return tools;
}

function confirmCopy(button: HTMLButtonElement): void {
  button.textContent = TEXTS.copied;
  setTimeout(() => (button.textContent = TEXTS.copy), 2_000);
}

/** Pages that came over plain HTTP have no clipboard, and a person may refuse it: then it is selected for copying. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = element('textarea', { value: text, className: 'unseen' });
    document.body.append(field);
    field.select();
    const done = document.execCommand('copy');
    field.remove();
    return done;
  }
}

/** Shows what became of an own message. */
export function showState(row: HTMLElement, line: Line, actions: LineActions): void {
  const { state, recipients, code, reason } = line;
  const progress = state === 'pending' ? actions.progressOf(line) : null;
  const parts: (Node | string)[] = [];
  const again = () =>
    element('button', { type: 'button', textContent: TEXTS.sendAgain, onclick: () => actions.sendAgain(line) });
  if (progress === 'unknown') parts.push(refusalText('UNKNOWN', undefined), again());
  else if (progress !== null) {
    parts.push(pendingText(progress === 'sending'));
    parts.push(element('button', { type: 'button', textContent: TEXTS.cancel, onclick: () => actions.cancel(line) }));
  } else if (state === 'broadcast') parts.push(broadcastText(recipients));
  else if (state === 'refused') {
    parts.push(refusalText(code, reason));
    if (!FINAL.has(code ?? '')) parts.push(again());
  } else if (state !== null && state !== 'pending') {
    parts.push(STATE_TEXTS[state]);
    if (state !== 'delivered' && state !== 'stored' && state !== 'read') parts.push(again());
  }
  row.dataset['state'] = progress ?? state ?? '';
  const shown = element('p', { className: 'state' }, ...parts);
  const before = row.querySelector('.state');
  if (before) before.replaceWith(shown);
  else row.append(shown);
}
