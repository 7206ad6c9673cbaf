import { parseArgs } from 'node:util';
import { PEERS, REFERENCE, type PeerName } from './peers/peers.js';
import { FULL, QUICK, type Scale } from './run/plan.js';

const SHORT: Readonly<Record<string, PeerName>> = { text: 'holdfast-text', json: 'holdfast-json' };

const USAGE = `Measures the built server beside others, in turn, on this machine.

  npm run bench                        everything, and writes docs/benchmarks.md from it
  npm run bench -- --quick             the same with one short round: orders of magnitude
  npm run bench -- A text              one scenario (A relay, B broadcast, C idle, D store, E drain, F reconnect, G growth), one peer
  npm run bench -- --docs              writes docs/benchmarks.md again, from the last full run

  peers        ${Object.keys(PEERS).join(', ')}; text and json are ours. ${REFERENCE} is measured whenever others are
  --out        file for the results; bench/results/last.json unless everything was measured
  --profile    folder for CPU profiles of the servers in Node

Sizes, with what they are in a full run: ${Object.entries(FULL)
  .map(([name, value]) => `--${kebab(name)} ${String(value)}`)
  .join(', ')}
`;

/** A mistake in the command line. Its message is for the user. */
export class UsageError extends Error {}

export interface BenchArguments {
  readonly scale: Scale;
  /** Letters of scenarios, and peers; empty for all. */
  readonly letters: readonly string[];
  readonly peers: readonly PeerName[];
  readonly onlyDocs: boolean;
  readonly out: string | undefined;
  readonly profileFolder: string | undefined;
}

export function readArguments(): BenchArguments {
  const { values, positionals } = parse();
  const letters = positionals.filter((name) => /^[A-G]$/.test(name));
  const peers = positionals.filter((name) => !letters.includes(name)).map((name) => SHORT[name] ?? name);
  for (const peer of peers) {
    if (!Object.hasOwn(PEERS, peer)) throw new UsageError(`'${peer}' is no scenario and no peer\n\n${USAGE}`);
  }
  const base = values['quick'] ? QUICK : FULL;
  const sizes = Object.entries(base).map(([name, value]) => [
    name,
    sizeOf(kebab(name), values[kebab(name)], value as number),
  ]);
  return {
    scale: Object.fromEntries(sizes) as Scale,
    letters,
    peers: peers as PeerName[],
    onlyDocs: values['docs'] === true,
    out: values['out'] as string | undefined,
    profileFolder: values['profile'] as string | undefined,
  };
}

function sizeOf(
  name: string,
  given: string | boolean | undefined,
  usual: number | readonly number[],
): number | number[] {
  if (given === undefined) return usual as number;
  const list = String(given).split(',').map(Number);
  if (list.some((value) => !(value >= 0)) || given === '' || (list.length > 1 && !Array.isArray(usual))) {
    throw new UsageError(
      `--${name} is '${String(given)}'; give ${Array.isArray(usual) ? 'numbers, divided by commas' : 'a number'}`,
    );
  }
  return Array.isArray(usual) ? list : list[0]!;
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function parse(): { values: Record<string, string | boolean | undefined>; positionals: string[] } {
  const strings = ['out', 'profile', ...Object.keys(FULL).map(kebab)].map(
    (name) => [name, { type: 'string' }] as const,
  );
  const booleans = ['quick', 'docs'].map((name) => [name, { type: 'boolean' }] as const);
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: Object.fromEntries([...strings, ...booleans]),
    });
    return { values: values as Record<string, string | boolean | undefined>, positionals };
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${USAGE}`);
  }
}
