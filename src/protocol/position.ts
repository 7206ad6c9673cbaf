// A position is a whole number below 2^53 inside the server, and a text on the wire, which clients compare as text.

/** Positions begin with milliseconds since then: 2^53 of them last until 2094. */
const EPOCH_MS = Date.UTC(2025, 0, 1);
/** How many positions a millisecond has. */
const PER_MS = 4_096;

const DIGITS = 11;
const BASE = 32;

/** What a position is on the wire. */
export const POSITION = /^[0-9a-v]{11}$/;

/** Returns a position as it is on the wire: texts of one length, which sort as the numbers do. */
export function positionText(position: number): string {
  return position.toString(BASE).padStart(DIGITS, '0');
}

/** Returns the position that a text stands for; null for anything else. */
export function positionOf(written: unknown): number | null {
  if (typeof written !== 'string' || !POSITION.test(written)) return null;
  const position = parseInt(written, BASE);
  return Number.isSafeInteger(position) ? position : null;
}

/** Returns the lowest position of a time in milliseconds since 1970. */
export function positionAt(ms: number): number {
  return Math.max(0, Math.floor(ms - EPOCH_MS)) * PER_MS;
}
