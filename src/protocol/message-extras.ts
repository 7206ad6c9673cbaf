import type { MessageExtras, Urgency } from './message.js';

// What a sender may add to a message: the rules, for frames, REST calls and the application.

/** What a ttl has to be, for error texts. */
export const TTL_RULE = 'has to be a whole number of seconds, 0 or more';

/** What a topic is. */
export const TOPIC = /^[A-Za-z0-9_-]{1,32}$/;

/** What a topic has to be, for error texts. */
export const TOPIC_RULE = 'has to be 1 to 32 of A-Z a-z 0-9 _ -';

/** In their order, the lowest first; a message without one counts as `normal`. */
export const URGENCIES = ['very-low', 'low', 'normal', 'high'] as const satisfies readonly Urgency[];

/** What an urgency has to be, for error texts. */
export const URGENCY_RULE = `has to be one of ${URGENCIES.join(', ')}`;

/** What meta has to be, for error texts. */
export const META_RULE = 'has to be an object that JSON can hold, of whole characters';

/** JSON writes half a character as an escape. An even number of backslashes before it are characters of their own. */
const HALF_CHARACTER = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

/** A hundred years: a date can hold the end of it. */
const LONGEST_TTL_MS = 100 * 365 * 24 * 3_600 * 1_000;

/** The extras of a request that was checked. */
export interface CheckedExtras {
  /** `meta` as JSON. */
  readonly metaText?: string | undefined;
  /** In seconds. */
  readonly ttl?: number | undefined;
  readonly topic?: string | undefined;
  readonly urgency?: Urgency | undefined;
  readonly origin?: string | undefined;
}

export function isTtl(written: unknown): written is number {
  return Number.isSafeInteger(written) && (written as number) >= 0;
}

export function isTopic(written: unknown): written is string {
  return typeof written === 'string' && TOPIC.test(written);
}

export function isUrgency(written: unknown): written is Urgency {
  return (URGENCIES as readonly unknown[]).includes(written);
}

/** Returns meta as JSON; null when it may not be meta. Its nesting is bounded by what JSON.stringify can write. */
export function metaTextOf(written: unknown): string | null {
  if (typeof written !== 'object' || written === null || Array.isArray(written)) return null;
  try {
    // Undefined for an object that says it is nothing (`toJSON`).
    const text = JSON.stringify(written) as string | undefined;
    return text?.startsWith('{') && !HALF_CHARACTER.test(text) ? text : null;
  } catch {
    return null; // A cycle, a BigInt, or too many levels.
  }
}

/**
 * Returns the extras of a message that is accepted at `sentAt`; undefined for a plain one. A ttl is cut to
 * `retentionMs`.
 */
export function extrasOf(
  { metaText: meta, ttl, topic, urgency, origin }: CheckedExtras,
  sentAt: number,
  retentionMs: number | null,
): MessageExtras | undefined {
  const isPlain = meta === undefined && ttl === undefined && topic === undefined && urgency === undefined;
  if (isPlain && origin === undefined) return undefined;
  const expiresAt = ttl === undefined ? undefined : sentAt + Math.min(ttl * 1_000, retentionMs ?? LONGEST_TTL_MS);
  return { meta, expiresAt, topic, urgency, origin };
}
