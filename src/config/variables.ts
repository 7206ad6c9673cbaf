import { chatOptionsSchema } from '../options/chat-options.schema.js';

/** What only code can give, or what has variables of its own. */
const NOT_VARIABLES = ['clock', 'record'];

/** Every option of the chat that the environment can set, with its variable: `someOption` is `CHAT_SOME_OPTION`. */
export const VARIABLES: ReadonlyMap<string, string> = new Map(
  Object.keys(chatOptionsSchema.shape)
    .filter((name) => !NOT_VARIABLES.includes(name))
    .map((name) => [name, `CHAT_${name.replace(/[A-Z]/g, '_$&').toUpperCase()}`]),
);

const DURATIONS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZES = { B: 1, KiB: 1_024, MiB: 1_024 ** 2, GiB: 1_024 ** 3 };

/**
 * Returns the units that an option understands, with the factor of each, the smallest first. They follow from the
 * option's name.
 */
export function unitsOf(option: string): Readonly<Record<string, number>> {
  if (option.endsWith('Ms')) return DURATIONS;
  return option.includes('Bytes') ? SIZES : {};
}

/**
 * Returns the number that a text means for an option: `25s` is 25,000 if the option counts milliseconds. Returns null
 * if the text is not a whole number, or if its unit does not fit the option.
 */
export function amountOf(option: string, text: string): number | null {
  const [, digits, unit = ''] = /^(\d+)([A-Za-z]*)$/.exec(text) ?? [];
  const units = unitsOf(option);
  if (digits === undefined || (unit !== '' && !Object.hasOwn(units, unit))) return null;
  return Number(digits) * (units[unit] ?? 1);
}
