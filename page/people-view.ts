import { EVERYONE, type Line } from './line.js';
import type { Conversation } from './conversations.js';
import { at, element, nameElement, setChildren } from './dom.js';
import { numberOf, shortMomentOf, TEXTS } from './texts.js';

const MAX_PREVIEW = 120;
/** Thousands of messages may come at once, and hundreds of entries be in the list. */
const DRAW_AFTER_MS = 30;

/** The name of a conversation, in its own direction. */
export function titleElement(name: string, user: string): Node {
  if (name === EVERYONE) return element('span', { className: 'everyone', textContent: TEXTS.everyone });
  return nameElement(name === user ? TEXTS.you(name) : name);
}

export function titleOf(name: string): string {
  return name === EVERYONE ? TEXTS.everyone : name;
}

/** The list of conversations. */
export class PeopleView {
  private readonly entries = new Map<string, HTMLButtonElement>();
  private scheduled = false;

  constructor(
    private readonly user: string,
    private readonly onChosen: (name: string) => void,
  ) {}

  /** Draws the list soon, and once, however often it changes until then. */
  show(list: () => readonly Conversation[], open: () => string | null): void {
    if (this.scheduled) return;
    this.scheduled = true;
    const draw = () => {
      // What is replaced between press and release would take the click with it.
      if (at('people').matches(':active')) return void setTimeout(draw, DRAW_AFTER_MS);
      this.scheduled = false;
      this.draw(list(), open());
    };
    // Not an animation frame: a page in the background gets none, and its list would be drawn late.
    setTimeout(draw, DRAW_AFTER_MS);
  }

  private draw(list: readonly Conversation[], open: string | null): void {
    const focused = document.activeElement;
    const items = list.map((conversation) => {
      const entry = this.entryOf(conversation.name);
      this.fill(entry, conversation, conversation.name === open);
      return entry.parentElement!;
    });
    const parent = at('people');
    const isSame =
      items.length === parent.children.length && items.every((item, index) => parent.children[index] === item);
    if (isSame) return;
    setChildren(parent, items);
    if (focused instanceof HTMLElement && parent.contains(focused)) focused.focus(); // Moved elements lose the focus.
    const names = new Set(list.map(({ name }) => name));
    for (const name of this.entries.keys()) if (!names.has(name)) this.entries.delete(name);
    const suggested = list.filter(({ name }) => name !== EVERYONE);
    at('known').replaceChildren(...suggested.map(({ name }) => element('option', { value: name })));
  }

  private entryOf(name: string): HTMLButtonElement {
    const known = this.entries.get(name);
    if (known) return known;
    const entry = element('button', { type: 'button', className: 'person', onclick: () => this.onChosen(name) });
    element('li', {}, entry);
    this.entries.set(name, entry);
    return entry;
  }

  private fill(entry: HTMLButtonElement, { name, lines, unread, draft }: Conversation, isOpen: boolean): void {
    const last = lines.at(-1);
    const parts: Node[] = [element('span', { className: 'who' }, titleElement(name, this.user))];
    if (last) {
      const textContent = shortMomentOf(last.at, Date.now());
      parts.push(element('time', { dateTime: new Date(last.at).toISOString(), textContent }));
    }
    const isDraft = draft !== '' && !isOpen;
    parts.push(
      element('span', {
        className: isDraft ? 'preview draft' : 'preview',
        dir: 'auto',
        textContent: isDraft ? TEXTS.draft(shortened(draft)) : this.previewOf(last),
      }),
    );
    if (unread > 0) {
      const spoken = element('span', { className: 'unseen', textContent: TEXTS.unread(unread) });
      const shown = element('span', { className: 'unread', textContent: numberOf(unread), aria: { hidden: 'true' } });
      parts.push(shown, spoken);
    }
    entry.replaceChildren(...parts);
    if (isOpen) entry.setAttribute('aria-current', 'true');
    else entry.removeAttribute('aria-current');
  }

  private previewOf(line: Line | undefined): string {
    if (!line) return TEXTS.nothingSaid;
    const content = shortened(line.content);
    if (line.from === this.user) return TEXTS.youSaid(content);
    return line.conversation === EVERYONE ? TEXTS.saidBy(line.from, content) : content;
  }
}

function shortened(text: string): string {
  return text.slice(0, MAX_PREVIEW).replaceAll(/\s+/g, ' ');
}
