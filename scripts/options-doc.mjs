// Writes the interface ChatOptions, and its part of docs/options.md, from the schema of the options; with --check it
// only says whether both are up to date.
import '@swc-node/register/esm-register';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { writeOrCheck } from './generated-file.mjs';

const { chatOptionsSchema, COMMON_OPTIONS, OPTION_GROUPS } = await import('../src/options/chat-options.schema.ts');
const { unitsOf, VARIABLES } = await import('../src/config/variables.ts');

const COLUMNS = 120;

/** Defaults that depend on the machine or on other options. */
const DEFAULTS = {
  maxConnections: 'open files, less 100',
  allowedOrigins: 'same host',
  clock: 'the clock of the system',
  record: 'null',
};

/** The types of options that are no plain values. */
const TYPES = { clock: 'Clock', record: 'RecordOptions' };

const { properties } = z.toJSONSchema(chatOptionsSchema, { unrepresentable: 'any' });
const options = Object.entries(properties).map(([name, { anyOf = [], description, ...property }]) => ({
  name,
  isNullable: anyOf.length > 0,
  isOptional: !('default' in property),
  text: description
    .trim()
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/'([^']+)'/g, '`$1`'),
  ...property,
  ...anyOf[0],
}));

/** A range of numbers as `show` writes them; nothing for an option that is not a number. */
function rangeOf({ type, minimum, maximum, isNullable }, show) {
  if (type !== 'integer') return '';
  const range =
    maximum === Number.MAX_SAFE_INTEGER ? `${show(minimum)} or more` : `${show(minimum)} to ${show(maximum)}`;
  return isNullable ? `${range}, \`null\` for no limit` : range;
}

const digits = (number) => number.toLocaleString('en');

/** Breaks a text into lines that fit the columns of a doc comment. */
function wrapped(text) {
  return text
    .split(' ')
    .reduce(
      ([line, ...before], word) =>
        line.length + word.length < COLUMNS - '   * '.length
          ? [`${line} ${word}`.trim(), ...before]
          : [word, line, ...before],
      [''],
    );
}

function memberOf(option) {
  const { name, type, isNullable, isOptional, text } = option;
  const types = {
    object: TYPES[name],
    integer: 'number',
    string: option.enum?.map((value) => `'${value}'`).join(' | '),
    array: 'readonly string[]',
  };
  const written =
    typeof option.default === 'number' ? digits(option.default).replaceAll(',', '_') : JSON.stringify(option.default);
  const range = rangeOf(option, digits);
  const lines = wrapped(`${text}${range && ` Range: ${range}.`}`).reverse();
  return [
    '/**',
    ...lines.map((line) => ` * ${line}`),
    ` * @default ${DEFAULTS[name] ?? written.replaceAll('"', "'")}`,
    ' */',
    `${name}${isOptional ? '?' : ''}: ${types[type] ?? TYPES[name]}${isNullable ? ' | null' : ''};`,
  ].join('\n');
}

const types = `
// Written from chat-options.schema.ts by \`npm run docs:options\`.
import type { Clock } from './clock.js';
import type { RecordOptions } from './record-options.js';

/** Everything that a chat can be told. Every option has a default; no limit is \`null\`, never 0. */
export interface ChatOptions {
${options.map(memberOf).join('\n\n')}
}
`;

/** A number, and how the environment may write it with the largest unit that fits. */
function amount(name, number) {
  const fitting = Object.entries(unitsOf(name)).filter(([, size]) => size > 1 && number >= size && number % size === 0);
  const [unit, size] = fitting.at(-1) ?? [];
  return unit ? `${digits(number)} (\`${number / size}${unit}\`)` : digits(number);
}

function defaultOf({ name, default: value }) {
  if (name in DEFAULTS) return DEFAULTS[name];
  if (typeof value === 'number') return amount(name, value);
  return Array.isArray(value) ? 'empty' : `\`${value}\``;
}

const onLines = (text) => text.replaceAll(/(?<=\.) (?=[A-Z0`])/g, '\n');

function entryOf(name) {
  const option = options.find((each) => each.name === name);
  const values =
    option.enum?.map((value) => `\`${value}\``).join(' or ') ?? rangeOf(option, (number) => amount(name, number));
  const facts = [`\`${VARIABLES.get(name)}\``, values || 'a list', `default ${defaultOf(option)}`];
  if (!COMMON_OPTIONS.includes(name)) facts.push('_for experts_');
  return [`### ${name}`, facts.join(' · '), onLines(option.text)].join('\n\n');
}

const groups = Object.entries(OPTION_GROUPS).map(([group, shape]) =>
  [`## ${group}`, ...Object.keys(shape).map(entryOf)].join('\n\n'),
);

const page = readFileSync(new URL('../docs/options.md', import.meta.url), 'utf8');
const written = `
These ten options are worth a look:
${COMMON_OPTIONS.map((name) => `[${name}](#${name.toLowerCase()})`).join(', ')}.
The defaults of the others fit nearly everybody. They are marked _for experts_.

${groups.join('\n\n')}
`;

await writeOrCheck(
  'docs/options.md',
  page.replace(/(?<=<!-- Written by .*-->\n).*(?=\n<!-- Written until here -->)/s, () => written),
  'npm run docs:options',
);
await writeOrCheck('src/options/chat-options.interface.ts', types, 'npm run docs:options');
