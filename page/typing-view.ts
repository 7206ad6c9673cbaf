import type { HoldfastClient } from '../client/src/api.js';
import { watchTyping, type Typing } from '../client/src/typing.js';
import { at } from './dom.js';
import { EVERYONE } from './line.js';
import { TEXTS } from './texts.js';

/** Screen readers say it this often at most: in a lively conversation somebody types all the time. */
const SPEAK_EVERY_MS = 30_000;

/** Says beside the title that the other types, and tells the other that this person does. */
export class TypingView {
  private name: string | null = null;
  private typing: Typing | null = null;
  private spokenAt = -Infinity;

  constructor(
    private readonly chat: HoldfastClient,
    private readonly user: string,
  ) {}

  /** Another conversation is open, or none. */
  open(name: string | null): void {
    if (name === this.name) return;
    this.end();
    this.name = name;
    this.spokenAt = -Infinity;
    const isOfTwo = name !== null && name !== EVERYONE && name !== this.user;
    if (isOfTwo) this.typing = watchTyping(this.chat, name, (isTyping) => this.show(name, isTyping));
  }

  /** The person has changed what is in the field. */
  wrote(draft: string): void {
    this.typing?.tell(draft);
  }

  end(): void {
    this.typing?.end();
    this.typing = null;
    at('typing').textContent = at('typing-spoken').textContent = '';
  }

  private show(name: string, isTyping: boolean): void {
    at('typing').textContent = isTyping ? TEXTS.isTyping : '';
    const isDue = isTyping && performance.now() - this.spokenAt > SPEAK_EVERY_MS;
    if (isDue) this.spokenAt = performance.now();
    at('typing-spoken').textContent = isDue ? TEXTS.nameIsTyping(name) : '';
  }
}
