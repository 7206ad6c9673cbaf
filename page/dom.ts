import { FIXED } from './texts.js';

/** The element of `index.html` with this id. */
export function at<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no #${id}`);
  return found as T;
}

type Properties<K extends keyof HTMLElementTagNameMap> = Partial<Omit<HTMLElementTagNameMap[K], 'dataset'>> & {
  readonly data?: Readonly<Record<string, string>>;
  readonly aria?: Readonly<Record<string, string>>;
};

/** Makes an element. What people wrote is set as text, never as HTML. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  { data = {}, aria = {}, ...properties }: Properties<K> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(name), properties);
  Object.assign(made.dataset, data);
  for (const [attribute, value] of Object.entries(aria)) made.setAttribute(`aria-${attribute}`, value);
  made.append(...children);
  return made;
}

/** Makes these the children of an element. What stays is not taken out: that would end its focus, a selection, a click. */
export function setChildren(parent: Element, children: readonly Element[]): void {
  const kept = new Set(children);
  for (const gone of [...parent.children].filter((child) => !kept.has(child))) gone.remove();
  let next = parent.firstElementChild;
  for (const child of children) {
    if (child === next) next = child.nextElementSibling;
    else parent.insertBefore(child, next);
  }
}

/** A name in whatever direction it is written: it does not turn the words around it. */
export function nameElement(name: string): HTMLElement {
  return element('bdi', { textContent: name });
}

/** Puts the texts of `texts.ts` where `index.html` names them. */
export function fillTexts(): void {
  const textOf = (name: string | undefined): string => {
    const text = FIXED[name ?? ''];
    if (text === undefined) throw new Error(`texts.ts has no ${name}`);
    return text;
  };
  for (const each of document.querySelectorAll<HTMLElement>('[data-text]'))
    each.textContent = textOf(each.dataset['text']);
  for (const each of document.querySelectorAll<HTMLElement>('[data-label]')) {
    each.setAttribute('aria-label', textOf(each.dataset['label']));
  }
  for (const each of document.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>('[data-hint]')) {
    each.placeholder = textOf(each.dataset['hint']);
  }
}

const SPEAK_EVERY_MS = 1_500;
let unspoken: string[] = [];
let speaking: ReturnType<typeof setTimeout> | null = null;

/**
 * Has screen readers say this when they are done. What comes close together is said in one go, and only the last part
 * of it: a flood would be read out for minutes.
 */
export function say(text: string, ofMany: (count: number) => string): void {
  unspoken.push(text);
  speaking ??= setTimeout(() => {
    at('spoken').textContent = unspoken.length > 3 ? ofMany(unspoken.length) : unspoken.join('\n');
    unspoken = [];
    speaking = null;
  }, SPEAK_EVERY_MS);
}
