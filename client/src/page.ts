export interface PageWatcher {
  /** The network is back, or the person looks at the page again. */
  look(): void;
  offline(): void;
  /** The page goes, or is kept where a later "back" finds it. */
  suspend(): void;
  resume(): void;
}

/** Watches what browsers tell of the page and the network. Does nothing elsewhere. Returns the function that ends it. */
export function watchPage(watcher: PageWatcher): () => void {
  const { document } = globalThis;
  if (typeof document === 'undefined') return () => undefined;
  const events: [EventTarget, string, (event: Event) => void][] = [
    [globalThis, 'online', () => watcher.look()],
    [globalThis, 'offline', () => watcher.offline()],
    [globalThis, 'pagehide', () => watcher.suspend()],
    [globalThis, 'pageshow', (event) => (event as PageTransitionEvent).persisted && watcher.resume()],
    [document, 'visibilitychange', () => document.hidden || watcher.look()],
  ];
  for (const [target, name, handler] of events) target.addEventListener(name, handler);
  return () => {
    for (const [target, name, handler] of events) target.removeEventListener(name, handler);
  };
}
