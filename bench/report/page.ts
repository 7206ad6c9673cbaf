import { PEERS } from '../peers/peers.js';
import type { Results } from '../run/results.js';
import { glanceSection } from './glance.js';
import { variantTable } from './tables.js';

const NAMES: Readonly<Record<string, string>> = {
  A: 'A. Relay',
  B: 'B. Broadcast',
  C: 'C. Idle connections',
  D: 'D. Store',
  E: 'E. Drain',
  F: 'F. Reconnect',
  G: 'G. Growth',
  H: 'H. Open load',
  I: 'I. Cluster',
};

const PLOTS: Readonly<Record<string, readonly string[]>> = {
  D: ['store'],
  G: ['connections', 'table'],
  H: ['open'],
  I: ['cluster'],
};

const WORDS: Readonly<Record<string, string>> = {
  A: `Half of the users write to the other half.
A message is over when its sender knows that it was accepted; where nobody tells the sender, when it came.
With few outstanding there is nothing to share, and every acknowledgement costs its own; that is how people write.
With many, as in the last tables, frames and receipts share writes.`,
  B: `Deliveries are counted: one broadcast makes as many as there are connections.
MQTT delivers them with QoS 0.`,
  C: `Resident memory once all are open, less what it was before.
It does not include what the kernel keeps for a socket; it does include the slack of a heap.
100 at a time are opened.`,
  D: `A message counts when it was acknowledged.
What that is worth differs: Holdfast has committed it with \`synchronous=FULL\`, the gateway with TypeORM's settings (SQLite in WAL mode, also \`FULL\`).
aedes and Mosquitto have it in memory.`,
  E: 'The time from the connect to the first and to the last message, with the most memory that the server held on the way.',
  F: `All connections are reset, and come back in one instant.
A client is served when it is connected and has all that waited.
A refused client tries again after 100 ms.`,
  G: `The same few messages are outstanding, whatever the number of connections, and all connections take part in turn.
Then the first of D, with messages of other users already in the table.
Flat is good.`,
  H: `Senders do not wait for answers: messages are due at random moments (Poisson arrivals), from senders drawn at random.
"Written late" is how much later than due the generator wrote: where that is not far below the p99 of delivery, the p99 says little of the server.
Everybody talks in the first table, equally much.
In the second a tenth does, with lengths and shares measured in one log of a public channel (1,103 messages by 113 people): half of the messages have at most 43 bytes, one in twenty more than 169, and a twentieth of the people write a third of them.
A message of the benchmark has 20 bytes at least.`,
  I: `Several processes are one chat, with one Postgres as their store, and with Redis or that Postgres as the bus.
One process is a server without a cluster, on Postgres too.
CPU time is that of all processes and of the bus.
At home, both users of a pair are on the process that is their home; with a load balancer each is on any.
The messages are live: none has to wait in the store.
All processes share one core, and each has fewer messages at a time than one process would have, so it shares less of its work between them.
Messages/s say nothing of several machines.`,
};

/** docs/benchmarks.md, before it is formatted. */
export function pageOf(results: Results): string {
  const letters = Object.keys(NAMES).filter((letter) => results.rows.some((row) => row.letter === letter));
  return [
    HEAD(results),
    glanceSection(results),
    READING(results),
    ...letters.map((letter) => section(letter, results)),
    TAIL(results),
  ].join('\n\n');
}

function section(letter: string, results: Results): string {
  const variants = new Map(results.rows.filter((row) => row.letter === letter).map((row) => [row.variant, row.title]));
  const plots = (PLOTS[letter] ?? []).map((name) => `![${name}](images/benchmarks/${name}.svg)`);
  const tables = [...variants].map(([variant, title]) => `### ${title}\n\n${variantTable(variant, results)}`);
  return [`## ${NAMES[letter]}`, WORDS[letter], ...plots, ...tables].join('\n\n');
}

function HEAD({ measuredAt, node, processor, cores, scale, minutes }: Results): string {
  const { rounds, seconds } = scale;
  return `# Benchmarks

\`npm run bench\` writes this page from its last full run (\`bench/results/full.json\`).
That was on ${measuredAt.slice(0, 10)}, with Node ${node}, ${processor}, ${cores} cores: ${rounds} ${rounds === 1 ? 'round' : 'rounds'} of ${seconds} s, ${Math.round(minutes)} minutes in all.
Do not edit it: run it again.`;
}

function READING({ isPinned, scale: { rounds } }: Results): string {
  return `## How not to read this

- **Compare CPU time, not messages per second.**
  CPU seconds per million messages are user and system time of the server's process with all its threads.
  Messages per second depend on everything else that the machine did; so do all times in milliseconds, p99 above all.
- **Ratios are of the same round.**
  Each is ours divided by the peer that stands behind the ÷, measured minutes apart on the same machine: 0.5 is half of the peer's, 2 twice as much.
  Shown are the median and, in parentheses, the least and the most of the rounds.
  Where two ranges overlap, no difference was shown.
${rounds < 5 ? `- **This run had ${rounds === 1 ? 'one round' : `${rounds} rounds`}.**\n  It shows orders of magnitude, no more.\n  A difference needs five rounds or more on a quiet machine.\n` : ''}- **The rows do different things.**
  The bare relay promises nothing, and an acknowledgement means something else in each row ([last section](#who-was-measured)).
  A cheap row that promises less is not a better relay.
- **One machine, over loopback.**
  There is no TLS, no compression and no network, and ${isPinned ? 'one core for the server, another for the generator' : '**server and generator share the cores, as they could not be kept apart**'}.
  MQTT runs on plain TCP, without the frames of WebSocket, which favours it a little.
  This page says nothing about your hardware.
- **"Noise" marks rounds** in which other processes used more than a fifth of a core.
- **"The generator was the limit"** means that it used more than 95 % of its core.
  Then the rate is the generator's, and the CPU time still the server's.
- The kernel counts CPU time in steps of 10 ms: figures of less than about 200 ms are coarse.`;
}

function TAIL({ faults, rows }: Results): string {
  const others = faults.filter(({ isOurs }) => !isOurs).map(({ text }) => `- ${text.split(';')[0]!.slice(0, 160)}`);
  const ours = faults.filter(({ isOurs }) => isOurs).map(({ text }) => `- **${text.split(';')[0]!.slice(0, 160)}**`);
  const lost = [...ours, ...others];
  return `## What was counted

Every message is numbered.
After each round, what was sent, acknowledged and delivered is compared, with order and repeats.
For Holdfast, what its own counters say is pending is compared too.
A loss of ours fails the run.
${lost.length === 0 ? 'Nothing was missing in this one.' : `In this one:\n\n${lost.join('\n')}`}

## Who was measured

| server | what it promises |
| --- | --- |
${Object.entries(PEERS)
  .filter(([name]) => rows.some(({ peer }) => peer === name))
  .map(([, { title, note }]) => `| ${title} | ${note} |`)
  .join('\n')}

Holdfast is the built server as it comes, with everything of the promise on.
Only the limits for strangers are lifted: \`CHAT_FRAMES_PER_SECOND\`, \`CHAT_BROADCASTS_PER_SECOND\`, \`CHAT_CONNECTIONS_PER_ADDRESS\`, \`CHAT_MAX_PENDING_…\` and \`CHAT_MAX_STORED_…\` are \`none\`.
The others are in \`bench/peers\`, each the way its documentation shows, with a longer queue of connections to accept (4,096) than Node's.
Mosquitto is measured where it is installed; ejabberd is not.

\`\`\`console
$ npm run build
$ npm run bench                  # all of it, and this page: about an hour and a half
$ npm run bench -- --quick       # one short round of all: about 6 minutes
$ npm run bench -- A text        # one scenario, one peer, and what it is compared with
$ npm run bench -- A D json aedes --rounds 9 --seconds 5 --shapes 400x3x150,40x2x64 --stores 30x2x2000
\`\`\``;
}
