import { Window } from 'happy-dom';

/**
 * A page without a browser. React DOM looks for one when it is imported, so this file has to be imported before it.
 */
export const page = new Window({ url: 'http://127.0.0.1/' });

Object.assign(globalThis, {
  window: page,
  document: page.document,
  addEventListener: page.addEventListener.bind(page),
  removeEventListener: page.removeEventListener.bind(page),
});

export const document = page.document as unknown as Document;

/** Ends what the page has under way. */
export function closePage(): Promise<void> {
  return page.happyDOM.close();
}
