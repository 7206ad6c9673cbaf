import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { ClusterModel, ALL_FAULTS, type Faults } from '../../test/support/cluster-model/cluster-model.js';
import type { Mutant } from '../../test/support/cluster-model/mutants.js';
import { SEED } from '../../test/support/seed.js';

/**
 * For a soak: MODEL_SEEDS runs more seeds, from that of the tests on, and MODEL_MUTANT has them run with a fault made on
 * purpose.
 */
const SEEDS = Number(process.env['MODEL_SEEDS'] ?? 6);
const MUTANT = (process.env['MODEL_MUTANT'] ?? null) as Mutant | null;
const IS_SOAK = process.env['MODEL_SEEDS'] !== undefined;

const NO_FAULTS: Faults = { kill: 0, stop: 0, loss: 0, cut: 0, handover: 0, outage: 0, pace: 1 };

/**
 * Faults made on purpose, what the model then complains of, the faults that show it best, and in how many seeds. Those
 * that take many seeds are for a soak.
 */
const MUTANTS: readonly [mutant: Mutant, complaint: RegExp, faults: Faults, seeds: number][] = [
  ['resends in the wrong order', /order:/, ALL_FAULTS, 2],
  ['no resend', /unanswered:|order:/, ALL_FAULTS, 2],
  ['no ages', /was replaced/, ALL_FAULTS, 4],
  ['no new block', /lost:/, { ...NO_FAULTS, handover: 1, pace: 5 }, 8],
  ['no fence, no lease', /order:|rows left|books/, { ...NO_FAULTS, stop: 1 }, 6],
  ['release without waiting', /rows left|lost:|books|order:/, { ...NO_FAULTS, handover: 1, pace: 5 }, 6],
];

jest.setTimeout(IS_SOAK ? 3_600_000 : 120_000);

describe('a cluster of three nodes, in virtual time', () => {
  let errors: string[];

  beforeEach(() => {
    errors = [];
    jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    jest.spyOn(Logger.prototype, 'error').mockImplementation((message: unknown) => void errors.push(String(message)));
  });
  afterEach(() => jest.restoreAllMocks());

  it('keeps every promise through kills, stops, losses, cuts, handovers and outages', async () => {
    let messages = 0;
    const failed: string[] = [];
    for (let seed = SEED; seed < SEED + SEEDS; seed += 1) {
      const result = await ClusterModel.run(seed, MUTANT);
      messages += result.messages;
      failed.push(...[...result.complaints, ...errors.splice(0)].map((complaint) => `seed ${seed}: ${complaint}`));
    }
    expect(failed).toEqual([]);
    expect(messages).toBeGreaterThan(SEEDS * 1_000);
  });

  // They show that the model would notice.
  if (IS_SOAK) return;
  it.each(MUTANTS)('breaks a promise with this fault: %s', async (mutant, complaint, faults, seeds) => {
    let found = false;
    for (let seed = 1; seed <= seeds && !found; seed += 1) {
      found = (await ClusterModel.run(seed, mutant, faults)).complaints.some((each) => complaint.test(each));
    }
    expect(found).toBe(true);
  });
});
