import { RefusedError } from '../client/src/index.js';
import type { RecordClient } from '../client/src/record/index.js';
import type { Conversations } from './conversations.js';
import { at } from './dom.js';
import { EVERYONE, recordedLine } from './line.js';
import { TEXTS } from './texts.js';

/** Many messages may come at once, and each changes a conversation. */
const MERGE_AFTER_MS = 30;

/** Brings what the client knows of the record into the conversations, and asks it for more. */
export class RecordView {
  private open: string | null = null;
  private close: () => void = () => undefined;
  private readonly changed = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly chat: RecordClient,
    private readonly conversations: Conversations,
    private readonly user: string,
  ) {
    chat.on('record', ({ with: name }) => this.mergeSoon(name === null ? this.names() : [name]));
    at('more-people').addEventListener('click', () => void this.bring(chat.moreConversations()));
  }

  /** Another conversation is open, or none. */
  show(name: string | null): void {
    if (name === this.open) return;
    this.close();
    this.close = () => undefined;
    this.open = name;
    if (name === null || name === EVERYONE) return;
    this.close = this.chat.open(name);
    this.merge(name);
  }

  /** Whether there are earlier messages than those that are shown. */
  hasEarlier(name: string): boolean {
    const { messages, hasEarlier } = this.chat.conversation(name);
    return messages.length > 0 && hasEarlier && this.chat.recordMs !== null;
  }

  earlier(name: string): Promise<void> {
    return this.bring(this.chat.earlier(name));
  }

  read(name: string): void {
    this.chat.markRead(name);
  }

  private names(): string[] {
    return this.chat.conversations.map((conversation) => conversation.with);
  }

  private mergeSoon(names: readonly string[]): void {
    at('more-people').hidden = !this.chat.hasMoreConversations;
    for (const name of names) this.changed.add(name);
    this.timer ??= setTimeout(() => {
      this.timer = null;
      for (const name of this.changed) this.merge(name);
      this.changed.clear();
    }, MERGE_AFTER_MS);
  }

  private merge(name: string): void {
    const conversation = this.chat.conversation(name);
    const { messages, unread, read, hasEarlier } = conversation;
    if (messages.length === 0) return;
    const lines = messages.map((message) => recordedLine(message, conversation, this.user));
    const first = hasEarlier ? lines[0]! : null;
    // Of one that is not open only the last message is in sight.
    this.conversations.merge(name, name === this.open ? lines : lines.slice(-1), { unread, read, first });
  }

  private async bring(coming: Promise<void>): Promise<void> {
    try {
      await coming;
      at('notice').textContent = '';
    } catch (error) {
      at('notice').textContent = error instanceof RefusedError ? TEXTS.notBrought(error.message) : String(error);
    }
  }
}
