import type { Conversation } from './conversations.js';
import { at, element, setChildren } from './dom.js';
import { isBefore, type Line } from './line.js';
import { continues, rowOf, showState, type LineActions } from './line-row.js';
import { dayOf, TEXTS } from './texts.js';

/** So many lines are drawn when a conversation is opened, and so many more each time that somebody asks. */
const SHOWN_AT_ONCE = 200;
/** More are not drawn while the reader follows the conversation. */
const MAX_SHOWN = 600;
/** A reader who is within this distance of the end, in pixels, follows the conversation. */
const NEAR_END = 40;

/** A line as it was drawn. */
interface Drawn {
  readonly row: HTMLLIElement;
  readonly line: Line;
  readonly continued: boolean;
}

/** The lines of the open conversation. The newest is in sight unless the reader has scrolled up. */
export class LinesView {
  private conversation: Conversation | null = null;
  private drawn = new Map<string, Drawn>();
  private last: Line | undefined;
  private pinned = true;
  private scrolling = false;
  /** What came while the reader was scrolled up. */
  private below = 0;
  /** How many were unread when the conversation was opened, and whether a line is the first of them. */
  private unread = 0;
  private isFirstUnread: (line: Line) => boolean = () => false;

  constructor(
    private readonly actions: LineActions,
    /** The reader has the newest line in sight. */
    private readonly onRead: () => void,
    /** What is earlier than all that is known here. */
    private readonly record: { hasEarlier(name: string): boolean; earlier(name: string): Promise<void> },
  ) {
    at('log').addEventListener('scroll', () => this.onScrolled());
    at('log').addEventListener('keydown', (event) => this.onKey(event));
    at('rows').addEventListener('focusin', (event) => setTools(event, 0));
    at('rows').addEventListener('focusout', (event) => setTools(event, -1));
    at('newest').addEventListener('click', () => this.toEnd());
    at('earlier').addEventListener('click', () => void this.showEarlier());
    // The keyboard of a phone takes half of the height.
    new ResizeObserver(() => this.pinned && this.toEnd()).observe(at('log'));
  }

  /** Whether somebody who looks at this page sees the newest line. */
  get isRead(): boolean {
    return this.pinned && !document.hidden;
  }

  open(conversation: Conversation | null): void {
    this.conversation = conversation;
    this.below = 0;
    this.unread = conversation?.unread ?? 0;
    this.isFirstUnread = firstUnreadOf(conversation);
    this.draw(Math.max(SHOWN_AT_ONCE, Math.min(MAX_SHOWN, this.unread + 20)));
    const mark = at('rows').querySelector('.new');
    // Somebody who comes back begins to read at the first line that is new.
    this.pinned = mark === null;
    if (mark) mark.scrollIntoView({ block: 'start' });
    else this.toEnd();
    this.onScrolled();
  }

  add(line: Line): void {
    if (line.conversation !== this.conversation?.name) return;
    if (line.state === 'pending') this.pinned = true;
    if (this.conversation.lines.at(-1) !== line) return this.merged(line.conversation);
    this.append(line);
    if (!this.pinned && line.state === null) this.below += 1;
    if (this.pinned) this.dropFirst();
    at('nothing').hidden = true;
    this.follow();
    this.showBelow();
  }

  change(line: Line): void {
    const known = this.drawn.get(line.key);
    if (!known) return;
    if (line.isErased) return this.drawInPlace(this.drawn.size);
    const { row, continued } = known;
    this.drawn.set(line.key, { row, line, continued });
    const time = row.querySelector('time');
    if (time && time.dateTime !== new Date(line.at).toISOString()) {
      row.querySelector('.about')?.replaceWith(rowOf(line, false, this.actions).querySelector('.about')!);
    }
    if (line.state !== null) showState(row, line, this.actions);
    if (this.last?.key === line.key) this.last = line;
    this.follow();
  }

  /** Lines have come that are not at the end, or others are to be shown. */
  merged(name: string): void {
    if (name === this.conversation?.name) this.drawInPlace(this.drawn.size);
  }

  /** Its neighbours may begin a group now, or a day. */
  remove(line: Line): void {
    const first = this.drawn.keys().next().value;
    if (!this.drawn.has(line.key)) return;
    if (line.key === first) this.dropRow(line.key);
    else this.draw(this.drawn.size);
  }

  /** The connection came or went: what waits says so. */
  showProgress(): void {
    for (const line of this.conversation?.lines ?? []) {
      const known = line.state === 'pending' ? this.drawn.get(line.key) : undefined;
      if (known) showState(known.row, line, this.actions);
    }
  }

  private draw(count: number): void {
    const lines = shownOf(this.conversation);
    const before = this.drawn;
    this.drawn = new Map();
    this.last = undefined;
    const shown = lines.slice(-count);
    const firstUnread = shown.find((line) => this.isFirstUnread(line));
    const rows = shown.flatMap((line) => {
      if (line !== firstUnread) return this.rowsOf(line, before.get(line.key));
      this.last = undefined;
      return [separator('new', TEXTS.newLine(this.unread)), ...this.rowsOf(line, before.get(line.key))];
    });
    setChildren(at('rows'), rows);
    at('earlier').hidden = shown.length === lines.length && !this.hasEarlier;
    at('nothing').hidden = lines.length > 0;
    this.showBelow();
  }

  private get hasEarlier(): boolean {
    return this.conversation !== null && this.record.hasEarlier(this.conversation.name);
  }

  /** Draws anew; what the reader looks at stays where it is. */
  private drawInPlace(count: number): void {
    const log = at('log');
    const fromEnd = log.scrollHeight - log.scrollTop;
    this.draw(Math.max(SHOWN_AT_ONCE, count));
    if (this.pinned) this.follow();
    else log.scrollTop = log.scrollHeight - fromEnd;
  }

  private append(line: Line): void {
    at('rows').append(...this.rowsOf(line));
  }

  /** The row of a line, behind its day if that is another one; a row that would look the same is taken again. */
  private rowsOf(line: Line, known?: Drawn): HTMLLIElement[] {
    const before = this.last;
    const day = dayOf(line.at, Date.now());
    const continued = continues(line, before);
    const isKept = known !== undefined && known.continued === continued && looksAs(line, known.line);
    const row = isKept ? known.row : rowOf(line, continued, this.actions);
    if (isKept && line !== known.line && line.state !== null) showState(row, line, this.actions);
    this.drawn.set(line.key, { row, line, continued });
    this.last = line;
    return !before || dayOf(before.at, Date.now()) !== day ? [separator('day', day), row] : [row];
  }

  private dropFirst(): void {
    while (this.drawn.size > MAX_SHOWN) {
      this.dropRow(this.drawn.keys().next().value!);
      at('earlier').hidden = false;
    }
  }

  private dropRow(key: string): void {
    const row = this.drawn.get(key)?.row;
    this.drawn.delete(key);
    while (row && at('rows').firstElementChild !== row) at('rows').firstElementChild!.remove();
    row?.remove();
  }

  private async showEarlier(): Promise<void> {
    const { conversation } = this;
    if (!conversation) return;
    this.pinned = false;
    const lines = shownOf(conversation);
    if (this.drawn.size < lines.length) this.drawInPlace(this.drawn.size + SHOWN_AT_ONCE);
    else {
      await this.record.earlier(conversation.name);
      if (conversation !== this.conversation) return;
      // What was brought is drawn as it is merged; here is room for it.
      this.drawInPlace(shownOf(conversation).length);
    }
    at('log').focus();
  }

  private follow(): void {
    if (!this.pinned || this.scrolling) return;
    this.scrolling = true; // One layout for all that comes before the next frame is painted.
    requestAnimationFrame(() => this.toEnd());
  }

  private toEnd(): void {
    this.scrolling = false;
    this.pinned = true;
    at('log').scrollTop = at('log').scrollHeight;
    this.below = 0;
    this.showBelow();
    this.onRead();
  }

  private onScrolled(): void {
    if (this.scrolling || this.conversation === null) return;
    const { scrollHeight, scrollTop, clientHeight } = at('log');
    this.pinned = scrollHeight - scrollTop - clientHeight < NEAR_END;
    if (!this.pinned) return;
    this.below = 0;
    this.showBelow();
    this.onRead();
  }

  private showBelow(): void {
    at('newest').hidden = this.below === 0;
    at('newest').textContent = TEXTS.newBelow(this.below);
  }

  /** Arrow keys go from message to message; Tab then reaches its buttons. */
  private onKey(event: KeyboardEvent): void {
    const step = event.key === 'ArrowUp' ? -1 : event.key === 'ArrowDown' ? 1 : 0;
    if (step === 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const rows = [...this.drawn.values()].map(({ row }) => row);
    const current = rows.findIndex((row) => row.contains(document.activeElement));
    const next = current < 0 ? rows.at(-1) : rows[current + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: 'nearest' });
  }
}

/** Whether the row of a line is also that of another version of it, except for what became of it. */
function looksAs(line: Line, other: Line): boolean {
  const looks = ({ conversation, content, at, waitedMs, state, isErased = false }: Line) =>
    [conversation, content, at, waitedMs, state === null, isErased] as const;
  const known = looks(other);
  return looks(line).every((part, index) => part === known[index]);
}

function setTools({ target }: FocusEvent, tabIndex: number): void {
  const row = target instanceof Element ? target.closest('.message') : null;
  for (const button of row?.querySelectorAll<HTMLElement>('.copy') ?? []) button.tabIndex = tabIndex;
}

function separator(kind: 'day' | 'new', text: string): HTMLLIElement {
  return element('li', { className: `separator ${kind}` }, element('span', { textContent: text }));
}

/** Of a conversation of which earlier messages are not here, those that have no gap between them. */
function shownOf(conversation: Conversation | null): readonly Line[] {
  const first = conversation?.record?.first;
  const lines = conversation?.lines ?? [];
  return first ? lines.filter((line) => !isBefore(line, first)) : lines;
}

/** Says where what is unread now begins, also when the lines come later. */
function firstUnreadOf(conversation: Conversation | null): (line: Line) => boolean {
  if (!conversation || conversation.unread === 0) return () => false;
  const { lines, unread, record } = conversation;
  if (record) {
    return ({ state, position }) => state === null && position !== undefined && position > (record.read ?? '');
  }
  const first = lines.filter(({ state }) => state === null).at(-unread);
  return (line) => line.key === first?.key;
}
