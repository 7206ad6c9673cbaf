import { parseArgs } from 'node:util';
import { PEERS, type PeerName } from './peers/peers.js';
import { FULL, QUICK, type Scale } from './run/plan.js';

const SHORT: Readonly<Record<string, PeerName>> = {
  text: 'holdfast-text',
  json: 'holdfast-json',
  record: 'holdfast-record',
};

export const USAGE = `Measures the built server beside others, in turn, on this machine.

  npm run bench                        everything, and writes docs/benchmarks.md from it
  npm run bench -- --quick             the same with one short round: orders of magnitude
  npm run bench -- A text              one scenario, one peer and what it is compared with
  npm run bench -- --docs              writes docs/benchmarks.md again, from the last full run

  scenarios    A relay, B broadcast, C idle, D store, E drain, F reconnect, G growth, H open load, I cluster
  peers        ${Object.keys(PEERS).join(', ')}; text, json and record are ours.
               What ours are compared with is measured too, unless a peer is named beside them
  --out        file for the results; bench/results/last.json unless everything was measured
  --from       with --docs: the results to read; the page is written beside them
  --profile    folder for CPU profiles of the servers in Node

Shapes of A and I are pairs x messages outstanding for each x bytes; stores of D, senders x outstanding x users who are away.
Sizes, with what they are in a full run:
${Object.entries(FULL)
  .map(([name, value]) => `  --${kebab(name)} ${String(value)}`)
  .join('\n')}
`;

/** A mistake in the command line. Its message is for the user. */
export class UsageError extends Error {}

export interface BenchArguments {
  readonly scale: Scale;
  /** Letters of scenarios, and peers; empty for all. */
  readonly letters: readonly string[];
  readonly peers: readonly PeerName[];
  readonly help: boolean;
  readonly onlyDocs: boolean;
  readonly from: string | undefined;
  readonly out: string | undefined;
  readonly profileFolder: string | undefined;
}

export function readArguments(args: readonly string[]): BenchArguments {
  const { values, positionals } = parse(args);
  const letters = positionals.filter((name) => /^[A-I]$/.test(name));
  const peers = positionals.filter((name) => !letters.includes(name)).map((name) => SHORT[name] ?? name);
  for (const peer of peers) {
    if (!Object.hasOwn(PEERS, peer)) throw new UsageError(`'${peer}' is no scenario and no peer\n\n${USAGE}`);
  }
  const base = values['quick'] ? QUICK : FULL;
  const sizes = Object.entries(base).map(([name, usual]) => [
    name,
    sizeOf(kebab(name), values[kebab(name)], usual as Size),
  ]);
  return {
    scale: Object.fromEntries(sizes) as Scale,
    letters,
    peers: peers as PeerName[],
    help: values['help'] === true,
    onlyDocs: values['docs'] === true,
    from: values['from'] as string | undefined,
    out: values['out'] as string | undefined,
    profileFolder: values['profile'] as string | undefined,
  };
}

type Size = Scale[keyof Scale];

function sizeOf(name: string, given: string | boolean | undefined, usual: Size): Size {
  if (given === undefined) return usual;
  const parts = String(given).split(',');
  const wrong = (wanted: string) => new UsageError(`--${name} is '${String(given)}'; give ${wanted}`);
  if (Array.isArray(usual) && typeof usual[0] === 'string') {
    if (!parts.every((part) => /^[1-9]\d*x[1-9]\d*x[1-9]\d*$/.test(part)))
      throw wrong(`sizes like ${usual[0]}, divided by commas`);
    return parts;
  }
  const numbers = parts.map((part) => (part === '' ? NaN : Number(part)));
  if (numbers.some((value) => !(value >= 0)) || (numbers.length > 1 && !Array.isArray(usual)))
    throw wrong(Array.isArray(usual) ? 'numbers, divided by commas' : 'a number');
  return Array.isArray(usual) ? numbers : numbers[0]!;
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function parse(args: readonly string[]): {
  values: Record<string, string | boolean | undefined>;
  positionals: string[];
} {
  const strings = ['out', 'from', 'profile', ...Object.keys(FULL).map(kebab)].map(
    (name) => [name, { type: 'string' }] as const,
  );
  const booleans = ['help', 'quick', 'docs'].map((name) => [name, { type: 'boolean' }] as const);
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: Object.fromEntries([...strings, ...booleans]),
    });
    return { values: values as Record<string, string | boolean | undefined>, positionals };
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${USAGE}`);
  }
}
