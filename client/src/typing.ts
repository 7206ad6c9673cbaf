import type { HoldfastClient } from './api.js';

// The kinds are those of XEP-0085.
const COMPOSING = 'composing';
const PAUSED = 'paused';
/** While somebody types, the peer is told this often. */
const TELL_EVERY_MS = 3_000;
/** Whoever typed nothing for so long has stopped. */
const STOPPED_AFTER_MS = 4_000;
/** What was heard is true for so long, as the signal that somebody has stopped may be lost. */
const HEARD_FOR_MS = 6_000;

/** Tells one user that this one types, and hears whether they do. */
export interface Typing {
  /** To be called at each change of the field, with what is in it. When that is empty, the message was sent or removed. */
  tell(draft: string): void;
  /** Ends it; somebody who was typing has stopped. */
  end(): void;
}

/**
 * Begins to tell `peer` that this user types, and calls `heard` when they begin or stop: with true and false in turn.
 * What is told is a signal: `composing` each 3 s, and `paused` when nothing was typed for 4 s or the field is empty.
 */
export function watchTyping(chat: HoldfastClient, peer: string, heard: (isTyping: boolean) => void): Typing {
  let wasHeard = false;
  let expiry: ReturnType<typeof setTimeout> | undefined;
  const hear = (isTyping: boolean): void => {
    clearTimeout(expiry);
    if (isTyping) expiry = setTimeout(hear, HEARD_FOR_MS, false);
    if (isTyping !== wasHeard) heard((wasHeard = isTyping));
  };
  const undo = chat.on('signal', ({ from, kind }) => {
    if (from === peer && (kind === COMPOSING || kind === PAUSED)) hear(kind === COMPOSING);
  });

  /** When `composing` was told, by `performance.now()`; null when this user does not type. */
  let toldAt: number | null = null;
  let pause: ReturnType<typeof setTimeout> | undefined;
  const stop = (): void => {
    clearTimeout(pause);
    if (toldAt !== null) chat.signal(peer, PAUSED);
    toldAt = null;
  };
  return {
    tell(draft) {
      if (draft === '') return stop();
      clearTimeout(pause);
      pause = setTimeout(stop, STOPPED_AFTER_MS);
      const now = performance.now();
      if (toldAt !== null && now - toldAt < TELL_EVERY_MS) return;
      toldAt = now;
      chat.signal(peer, COMPOSING);
    },
    end() {
      undo();
      clearTimeout(expiry);
      stop();
    },
  };
}
