/**
 * Measured from one log of a public channel: 1,103 messages by 113 people. Each list is in twentieths, so that one
 * entry stands for 5 % of them.
 */
const LENGTHS_BYTES = [3, 5, 8, 12, 17, 21, 25, 30, 35, 40, 46, 52, 60, 68, 77, 90, 103, 122, 153, 217];
/** How many of 1,000 messages each twentieth of the people wrote, from those who wrote most. */
const SHARES = [324, 161, 100, 80, 60, 49, 41, 35, 26, 24, 19, 15, 15, 12, 10, 7, 5, 5, 5, 5];

/** How long messages are in bytes, and how unequally people talk. */
export interface Mix {
  readonly lengths: readonly number[];
  /** For each part of the talkers, who are divided into as many equal parts: how much of the talk is theirs. */
  readonly shares: readonly number[];
}

export const CHANNEL_MIX: Mix = { lengths: LENGTHS_BYTES, shares: SHARES };

/** Draws who talks next: an index below `talkers`. */
export function drawTalker({ shares }: Mix, talkers: number, random = Math.random): number {
  let left = random() * shares.reduce((sum, share) => sum + share, 0);
  const part = shares.findIndex((share) => (left -= share) < 0);
  return Math.floor(((part + random()) / shares.length) * talkers);
}
