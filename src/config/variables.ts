import { chatOptionsSchema } from '../options/chat-options.schema.js';

/** Every option of the chat that the environment can set, with its variable: `someOption` is `CHAT_SOME_OPTION`. */
export const VARIABLES: ReadonlyMap<string, string> = new Map(
  Object.keys(chatOptionsSchema.shape)
    .filter((name) => name !== 'clock')
    .map((name) => [name, `CHAT_${name.replace(/[A-Z]/g, '_$&').toUpperCase()}`]),
);

const DURATIONS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZES = { B: 1, KiB: 1_024, MiB: 1_024 ** 2, GiB: 1_024 ** 3 };

/** Returns the units of what the option's name says that it counts, the smallest first, and how many each is. */
export function unitsOf(option: string): Readonly<Record<string, number>> {
  if (option.endsWith('Ms')) return DURATIONS;
  return option.includes('Bytes') ? SIZES : {};
}

/**
 * Returns the number that a text means for an option: `25s` is 25,000 where the option counts milliseconds. Returns
 * null for a text that is not a whole number, or whose unit is not one of the option.
 */
export function amountOf(option: string, text: string): number | null {
  const [, digits, unit = ''] = /^(\d+)([A-Za-z]*)$/.exec(text) ?? [];
  const units = unitsOf(option);
  if (digits === undefined || (unit !== '' && !Object.hasOwn(units, unit))) return null;
  return Number(digits) * (units[unit] ?? 1);
}
