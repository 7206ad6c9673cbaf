import fc from 'fast-check';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChatOptions } from '../../../src/options/chat.options.js';
import { makeMemoryFolder } from '../../support/memory-folder.js';
import { RelayWorld, type Sabotage } from '../../support/relay-world.js';
import { SEED } from '../../support/seed.js';
import { StateCoverage } from '../../support/state-coverage.js';

/** `MODEL_RUNS=5000` makes more runs. */
const RUNS = Number(process.env['MODEL_RUNS'] ?? 60);

const USERS = ['ann', 'bob', 'cat'];
const WINDOW = 4;

/** The model knows who is connected and whether the disk works. Everything else is checked against the history. */
interface Model {
  readonly online: Set<string>;
  broken: boolean;
}

type Command = fc.AsyncCommand<Model, RelayWorld>;

function command(
  name: string,
  run: (model: Model, world: RelayWorld) => Promise<void> | void,
  check?: (model: Readonly<Model>) => boolean,
): Command {
  return {
    check: (model) => check?.(model) ?? true,
    run: async (model, world) => {
      await run(model, world);
      await world.turn();
      world.checkAlways();
    },
    toString: () => name,
  };
}

const user = fc.constantFrom(...USERS);

const topic = fc.constantFrom('one', 'two');
const extras = fc.record(
  {
    ttl: fc.constantFrom(0, 1, 2),
    topic,
    urgency: fc.constantFrom('very-low', 'low', 'normal', 'high'),
  },
  { requiredKeys: [] },
);

const commands = [
  user.map((name) =>
    command(`connect ${name}`, (model, world) => {
      world.connect(name);
      model.online.add(name);
    }),
  ),
  user.map((name) =>
    command(
      `drop ${name}`,
      (model, world) => {
        world.drop(name);
        model.online.delete(name);
      },
      (model) => model.online.has(name),
    ),
  ),
  user.map((name) =>
    command(
      `half-close ${name}`, // The socket is closing, and its close event has not come.
      (model, world) => {
        world.halfClose(name);
        model.online.delete(name);
      },
      (model) => model.online.has(name),
    ),
  ),
  fc
    .tuple(user, user, fc.integer({ min: 1, max: 6 }), fc.constantFrom(1, 40))
    .map(([from, to, count, length]) =>
      command(`send ${count} of ${length} from ${from} to ${to}`, (_model, world) =>
        world.send(from, to, count, length),
      ),
    ),
  fc
    .tuple(user, user, fc.integer({ min: 1, max: 3 }), extras)
    .map(([from, to, count, added]) =>
      command(`send ${count} with ${JSON.stringify(added)} from ${from} to ${to}`, (_model, world) =>
        world.send(from, to, count, 1, added),
      ),
    ),
  fc.tuple(user, user, topic).map(([from, to, named]) =>
    command(
      `replace ${named} of ${from} for ${to}`,
      (_model, world) => world.replace(from, to, named),
      (model) => !model.broken,
    ),
  ),
  fc.tuple(user, user, topic).map(([from, to, named]) =>
    command(
      `${from} sends two of ${named} to ${to}, who is live and confirms them late`,
      async (model, world) => {
        if (!model.online.has(to)) world.connect(to);
        model.online.add(to);
        await world.flush();
        world.confirm(to, 0);
        world.send(from, to, 2, 1, { topic: named });
        world.clock.advance(400);
        await world.flush();
      },
      (model) => !model.broken,
    ),
  ),
  user.map((from) => command(`repeat the last of ${from}`, (_model, world) => world.repeat(from))),
  fc.tuple(user, fc.integer({ min: 0, max: 5 })).map(([name, back]) =>
    command(
      `confirm ${name} but for ${back}`,
      (_model, world) => world.confirm(name, back),
      (model) => model.online.has(name),
    ),
  ),
  fc.tuple(user, fc.integer({ min: 0, max: 3 })).map(([name, unconfirmed]) =>
    command(`release ${name}, who does not confirm ${unconfirmed}`, async (model, world) => {
      await world.release(name, unconfirmed);
      model.broken = false;
    }),
  ),
  fc
    .constantFrom(20, 70, 400, 1_500)
    .map((ms) => command(`advance ${ms} ms`, (_model, world) => world.clock.advance(ms))),
  fc.constant(command('flush', (_model, world) => world.flush())),
  user.map((name) =>
    command(
      `purge ${name}`,
      (_model, world) => world.purge(name),
      (model) => !model.broken,
    ),
  ),
  fc.constant(
    command(
      'expire',
      (_model, world) => world.clock.advance(3_600_000),
      (model) => !model.broken,
    ),
  ),
  fc.tuple(user, fc.integer({ min: 1, max: 4 })).map(([to, count]) =>
    command(
      `another server stores ${count} for ${to}`,
      (_model, world) => world.visit(to, count),
      (model) => !model.broken,
    ),
  ),
  fc.tuple(user, fc.integer({ min: 1, max: 4 })).map(([to, ahead]) =>
    command(
      `a row for ${to} is put where the next but ${ahead - 1} would be`,
      (_model, world) => world.squat(to, ahead),
      (model) => !model.broken,
    ),
  ),
  // From then on it is readable, or not at all. What is late is written, and only its result is lost.
  fc.constantFrom('broken' as const, 'readable' as const, 'late' as const).map((how) =>
    command(`break the disk (${how})`, (model, world) => {
      world.breakDisk(how);
      model.broken = true;
    }),
  ),
  fc.tuple(user, user, fc.integer({ min: 1, max: 3 }), extras).map(([from, to, count, added]) =>
    command(
      `the disk breaks behind the commit of ${count} with ${JSON.stringify(added)} from ${from} to ${to}, who comes then`,
      async (model, world) => {
        world.breakDisk('late');
        model.broken = true;
        world.send(from, to, count, 1, added);
        await world.flush();
        world.connect(to);
        model.online.add(to);
        await world.flush();
      },
      (model) => !model.broken && !model.online.has(to),
    ),
  ),
  fc.constant(
    command('mend the disk', (model, world) => {
      world.repairDisk();
      model.broken = false;
    }),
  ),
  fc.constant(
    command('kill and reopen', async (model, world) => {
      await world.killAndReopen();
      model.online.clear();
      model.broken = false;
    }),
  ),
  // The steps above seldom lead to a live connection, or to a confirmation that comes before the commit.
  fc
    .tuple(user, user, fc.constantFrom(1, 1, 2, 6), fc.constantFrom(0, 0, 400), fc.integer({ min: 0, max: 3 }))
    .map(([from, to, count, ms, turns]) =>
      command(
        `${from} sends ${count} to ${to}, who is live and confirms them ${ms} ms and ${turns} turns later`,
        async (model, world) => {
          if (!model.online.has(to)) world.connect(to);
          model.online.add(to);
          await world.flush();
          world.confirm(to, 0);
          world.send(from, to, count, 1);
          world.clock.advance(ms);
          for (let n = 0; n < turns; n += 1) await world.turn();
          world.confirm(to, 0);
        },
        (model) => !model.broken,
      ),
    ),
];

/** Runs random scripts against the relay; rejects with the shortest one that breaks a promise. */
async function explore(options: Partial<ChatOptions>, runs: number, sabotage?: Sabotage): Promise<void> {
  const property = fc.asyncProperty(
    fc.commands(commands, { maxCommands: 60, size: 'max' }),
    fc.constantFrom(0, 250),
    fc.constantFrom(null, 2_600),
    fc.constantFrom(null, { keepMs: 100 * 24 * 3_600_000 }),
    async (script, persistAfterMs, maxStoredBytesPerSender, record) => {
      const folder = await makeMemoryFolder('holdfast-model-');
      const world = await RelayWorld.open(
        join(folder, 'store.sqlite'),
        {
          persistAfterMs,
          ackWindow: WINDOW,
          maxPendingPerUser: 12,
          maxPendingPerSender: 9,
          maxContentBytes: 100,
          maxStoredBytesPerSender,
          maxStoredBytes: maxStoredBytesPerSender && 2 * maxStoredBytesPerSender,
          retentionMs: 3_000_000,
          record,
          ...options,
        },
        sabotage,
      );
      try {
        await fc.asyncModelRun(() => ({ model: { online: new Set<string>(), broken: false }, real: world }), script);
        await world.finish();
        await world.checkFinally();
      } finally {
        await world.close();
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
  await fc.assert(property, { numRuns: runs, seed: SEED, endOnFailure: sabotage !== undefined });
}

const coverage = new StateCoverage();

describe.each(['replace', 'multiple'] as const)('a mailbox under %s', (sessions) => {
  let end: () => void;
  beforeAll(() => (end = coverage.start()));
  afterAll(() => end());

  it.each(['reject', 'evict-oldest'] as const)(
    'keeps every receipt and every order, whatever happens, under %s',
    (overflow) => explore({ sessions, overflow }, RUNS),
    600_000,
  );
});

describe('the scripts', () => {
  /** Whether so few scripts make these depends on the pace of the disk. `MODEL_RUNS=5000` asks for these, too. */
  const rare = [
    'storing -> memory',
    'storing -> ending',
    'ending -> ended',
    'ending -> unrecorded',
    'reading -> leaving',
  ];

  it('make every move that the tables of states allow, when they are enough', () => {
    const missed = coverage.missed.filter((move) => RUNS >= 5_000 || !rare.includes(move));
    expect(RUNS >= 60 ? missed : []).toEqual([]);
  });
});

describe('the check of the mailbox notices', () => {
  it.each([
    ['delete-on-write', /was lost|not confirmed/],
    // When the older of two with a topic is not stored, the newer one has nothing to replace.
    ['receipt-before-commit', /was lost|answered too often|refused and receipted|not in the record|was not replaced/],
    ['forget-on-drop', /was lost|not confirmed/],
    ['skip-in-page', /was lost|out of order|not delivered/],
    ['store-alone', /which is older|out of order/],
    ['ignore-ttl', /came after its time/],
    ['store-live-only', /stored with a ttl of 0/],
    ['keep-replaced', /was not replaced/],
    ['recall-in-flight', /replaced while it was in flight/],
  ] as const)('%s', async (sabotage, complaint) => {
    const fault = await explore({}, 300, sabotage).then(
      () => 'nothing',
      (error: Error) => String(error.cause),
    );
    expect(fault).toMatch(complaint);
  });
});
