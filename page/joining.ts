import { at } from './dom.js';
import { readName } from './names.js';

/** What the page has to know before it connects. */
export interface Settings {
  /** Path of the socket, below that of the page. */
  readonly path: string;
  readonly users: 'trusted' | 'token';
  /** The claim of a token that holds the user's name. */
  readonly userClaim?: string;
}

/** Returns the settings; null when the server does not say. */
export async function fetchSettings(): Promise<Settings | null> {
  try {
    const response = await fetch('settings.json', { signal: AbortSignal.timeout(10_000) });
    return response.ok ? ((await response.json()) as Settings) : null;
  } catch {
    return null; // The server is not reachable, or is going away.
  }
}

/** The name in the address, so that a reload or a bookmark connects again; it never leaves the browser with a request. */
function nameInAddress(): string {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return ''; // Somebody edited the address into something that is not a name.
  }
}

/** Asks for a name until there is one, unless the address has it. */
export function askForName(): Promise<string> {
  const field = at<HTMLInputElement>('name');
  addEventListener('hashchange', () => location.reload());
  return new Promise((resolve) => {
    const join = (raw: string) => {
      const { name, problem } = readName(raw);
      at('join-error').textContent = problem;
      if (name === null) return field.focus();
      history.replaceState(history.state, '', `#${encodeURIComponent(name)}`);
      resolve(name);
    };
    at('join').addEventListener('submit', () => join(field.value));
    if (nameInAddress() !== '') join((field.value = nameInAddress()));
  });
}
