import { changed, EVERYONE, isBefore, recorded, type Line, type LineChange } from './line.js';
import type { PageLog } from './page-log.js';

/** Bounds of what is kept: lines of one conversation, lines and characters of all, and conversations. */
const MAX_LINES_EACH = 2_000;
const MAX_LINES = 20_000;
const MAX_CHARACTERS = 8_000_000;
const MAX_CONVERSATIONS = 500;

export interface Conversation {
  /** The name of the other, or EVERYONE. */
  readonly name: string;
  /** In the order in which they came. */
  readonly lines: Line[];
  unread: number;
  draft: string;
  /** The key of the last line that was read; null if none was. */
  readKey: string | null;
  /** What is known of it from the record; null when nothing is recorded. */
  record: RecordedPart | null;
}

/** What of a conversation is in the record. */
export interface RecordedPart {
  readonly unread: number;
  /** The position up to which this user has read. */
  readonly read: string | null;
  /** The first line of those without a gap. Lines before it are not shown, as others may be missing between. */
  readonly first: Line | null;
}

/** Who shows the conversations. */
export interface ConversationsView {
  onAdded(line: Line): void;
  onChanged(line: Line): void;
  onRemoved(line: Line): void;
  /** The record has brought lines that are not at the end. */
  onMerged(name: string): void;
  /** The list of conversations is another one: their order, last lines, drafts or unread counts. */
  onListed(): void;
}

/** All that was said, in memory and in the log of the page. The oldest goes when there is too much. */
export class Conversations {
  /** In the order of their last line. */
  private readonly byName = new Map<string, Conversation>();
  /** In the order in which they came. */
  private readonly lines = new Map<string, Line>();
  private characters = 0;

  constructor(
    private readonly log: PageLog,
    private readonly view: ConversationsView,
  ) {
    this.of(EVERYONE);
  }

  /** Everyone, then the others, the latest first. */
  get list(): readonly Conversation[] {
    const others = [...this.byName.values()].filter(({ name }) => name !== EVERYONE);
    return [this.of(EVERYONE), ...others.toReversed()];
  }

  get unread(): number {
    return this.list.reduce((sum, { unread }) => sum + unread, 0);
  }

  get(key: string): Line | undefined {
    return this.lines.get(key);
  }

  /** The conversation of this name, which begins if there is none. */
  of(name: string): Conversation {
    const known = this.byName.get(name);
    if (known) return known;
    const begun: Conversation = { name, lines: [], unread: 0, draft: '', readKey: null, record: null };
    this.byName.set(name, begun);
    if (this.byName.size > MAX_CONVERSATIONS) this.dropOldest();
    return begun;
  }

  /** Takes what the log has kept. */
  async load(): Promise<void> {
    const { lines, conversations } = await this.log.load();
    for (const { name, draft, readKey } of conversations) Object.assign(this.of(name), { draft, readKey });
    for (const line of lines) this.put(line);
    for (const conversation of this.byName.values()) countUnread(conversation);
    this.view.onListed();
  }

  /** Adds a line, unless it is there. Resolves to whether it is new when the log has it. */
  async add(line: Line): Promise<boolean> {
    const isNew = !this.lines.has(line.key);
    if (isNew) {
      const conversation = this.put(line);
      if (line.state === null && !conversation.record) conversation.unread += 1;
      this.view.onAdded(line);
      this.view.onListed();
    }
    await this.log.add(line); // Also if it is not new: this may be the first tab that comes to write it.
    await this.trim(line.conversation);
    return isNew;
  }

  /** What the record says of a conversation. It is not put into the log, as the client keeps the record. */
  merge(name: string, lines: readonly Line[], record: RecordedPart): void {
    const conversation = this.of(name);
    const { first } = conversation.record ?? { first: null };
    conversation.record = record;
    conversation.unread = record.unread;
    let hasMoved = first?.key !== record.first?.key;
    for (const line of lines) {
      const known = this.lines.get(line.key);
      const next = known ? recorded(known, line) : line;
      if (next === known) continue;
      if (known && known.position === next.position) this.replace(known, next);
      else {
        if (known) conversation.lines.splice(conversation.lines.indexOf(known), 1);
        this.place(conversation, next);
        hasMoved = true;
      }
    }
    if (hasMoved) this.sort();
    if (hasMoved) this.view.onMerged(name);
    this.view.onListed();
  }

  async change(key: string, change: LineChange): Promise<void> {
    const line = this.lines.get(key);
    if (line) {
      const next = changed(line, change);
      if (next === line) return;
      this.replace(line, next);
    }
    await this.log.change(key, change);
  }

  async remove(key: string): Promise<void> {
    this.take(key);
    this.view.onListed();
    await this.log.remove([key]);
  }

  /** All of it is read; returns the key of the last line of somebody else, or null if nothing was unread. */
  async read(name: string): Promise<string | null> {
    const conversation = this.of(name);
    if (conversation.unread === 0) return null;
    // An own line may be taken back.
    this.readUpTo(name, conversation.lines.findLast(({ state }) => state === null)?.key ?? null);
    await this.keep(conversation);
    return conversation.readKey;
  }

  /** It was read up to this line, here or in another tab. */
  readUpTo(name: string, readKey: string | null): void {
    const conversation = this.of(name);
    conversation.readKey = readKey;
    countUnread(conversation);
    this.view.onListed();
  }

  async draft(name: string, draft: string): Promise<void> {
    const conversation = this.of(name);
    if (conversation.draft === draft) return;
    conversation.draft = draft;
    this.view.onListed();
    await this.keep(conversation);
  }

  private async keep({ name, draft, readKey }: Conversation): Promise<void> {
    await this.log.keep({ name, draft, readKey });
  }

  private replace(line: Line, next: Line): void {
    this.lines.set(line.key, next);
    const { lines } = this.of(line.conversation);
    lines[lines.lastIndexOf(line)] = next;
    this.view.onChanged(next);
  }

  /** Puts a line where it stands in the record. One that is not there is the last. */
  private place({ lines }: Conversation, line: Line): void {
    let index = lines.length;
    while (line.position !== undefined && index > 0 && isBefore(line, lines[index - 1]!)) index -= 1;
    lines.splice(index, 0, line);
    if (!this.lines.has(line.key)) this.characters += line.content.length;
    this.lines.set(line.key, line);
  }

  /** In the order of their last line; those in which nothing was said are the latest. */
  private sort(): void {
    const lastAt = ({ lines }: Conversation) => lines.at(-1)?.at ?? Infinity;
    const sorted = [...this.byName].sort(([, a], [, b]) => Math.sign(lastAt(a) - lastAt(b)) || 0);
    this.byName.clear();
    for (const [name, conversation] of sorted) this.byName.set(name, conversation);
  }

  private put(line: Line): Conversation {
    const conversation = this.of(line.conversation);
    this.place(conversation, line);
    this.byName.delete(conversation.name);
    this.byName.set(conversation.name, conversation);
    return conversation;
  }

  private take(key: string): void {
    const line = this.lines.get(key);
    if (!line) return;
    const conversation = this.of(line.conversation);
    conversation.lines.splice(conversation.lines.indexOf(line), 1);
    this.lines.delete(key);
    this.characters -= line.content.length;
    countUnread(conversation);
    this.view.onRemoved(line);
  }

  /** Removes the oldest lines above the bounds. */
  private async trim(name: string): Promise<void> {
    const dropped: string[] = [];
    const drop = (line: Line | undefined) => {
      if (!line) return;
      dropped.push(line.key);
      this.take(line.key);
    };
    if (this.of(name).lines.length > MAX_LINES_EACH) drop(this.of(name).lines[0]);
    while (this.lines.size > MAX_LINES || this.characters > MAX_CHARACTERS) drop(this.lines.values().next().value);
    if (dropped.length > 0) await this.log.remove(dropped);
  }

  /** Removes the conversation in which nothing was said for longest. */
  private dropOldest(): void {
    const oldest = [...this.byName.values()].find(({ name }) => name !== EVERYONE)!;
    const keys = oldest.lines.map(({ key }) => key);
    for (const key of keys) this.take(key);
    this.byName.delete(oldest.name);
    void this.log.remove(keys);
    void this.log.forget(oldest.name);
  }
}

/** Counts what others have said behind the line that was read last. */
function countUnread(conversation: Conversation): void {
  const { lines, readKey } = conversation;
  let unread = 0;
  for (let index = lines.length - 1; index >= 0 && lines[index]!.key !== readKey; index -= 1) {
    if (lines[index]!.state === null) unread += 1;
  }
  // What is read here is read in the record as well, which knows how many there are.
  conversation.unread = conversation.record ? Math.min(conversation.unread, unread) : unread;
}
