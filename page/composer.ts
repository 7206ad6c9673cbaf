import { EVERYONE } from './line.js';
import { at } from './dom.js';
import { titleOf } from './people-view.js';
import { TEXTS } from './texts.js';

const MAX_ROWS = 8;

export interface ComposerOwner {
  /** Longest content, in bytes of UTF-8; null while that is not known. */
  maxContentBytes(): number | null;
  send(name: string, content: string): void;
  keepDraft(name: string, draft: string): void;
  /** The person has changed what is in the field. */
  wrote(draft: string): void;
}

/** Where a message is written. Each conversation has its own draft. */
export class Composer {
  private readonly field = at<HTMLTextAreaElement>('content');
  private name: string | null = null;

  constructor(private readonly owner: ComposerOwner) {
    at('compose').addEventListener('submit', (event) => {
      event.preventDefault();
      this.submit();
    });
    this.field.addEventListener('keydown', (event) => {
      // Enter that ends the choice of a character, as in Japanese, sends nothing.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.submit();
    });
    this.field.addEventListener('input', () => {
      this.fit();
      this.saveDraft(); // At once: what is begun while the page goes away is not kept.
      owner.wrote(this.draft);
    });
  }

  /** What is being written in the open conversation. */
  get draft(): string {
    return this.field.value;
  }

  open(name: string | null, draft: string): void {
    this.saveDraft();
    this.name = name;
    this.setDraft(draft);
    at('compose-error').textContent = '';
    if (name === null) return;
    this.field.setAttribute('aria-label', TEXTS.messageTo(titleOf(name)));
    at('everyone-note').hidden = name !== EVERYONE;
  }

  setDraft(draft: string): void {
    this.field.value = draft;
    this.fit();
  }

  focus(): void {
    this.field.focus();
  }

  private submit(): void {
    const content = this.field.value;
    if (this.name === null || content === '') return this.field.focus();
    const limit = this.owner.maxContentBytes();
    const bytes = new TextEncoder().encode(content).length;
    const isTooLong = limit !== null && bytes > limit;
    at('compose-error').textContent = isTooLong ? TEXTS.tooLong(bytes, limit) : '';
    this.field.focus();
    if (isTooLong) return;
    this.setDraft('');
    this.saveDraft();
    this.owner.send(this.name, content);
    this.owner.wrote('');
  }

  private saveDraft(): void {
    if (this.name !== null) this.owner.keepDraft(this.name, this.field.value);
  }

  /** Where the style sheet cannot let the field grow with its text. */
  private fit(): void {
    if (CSS.supports('field-sizing', 'content')) return;
    this.field.rows = Math.min(MAX_ROWS, this.field.value.split('\n').length);
  }
}
