const given = process.env['TEST_SEED'];

/**
 * The seed of all that is random in the tests. It is 1 unless `TEST_SEED` gives another number, so that a red run of CI
 * shows what a change has broken. `TEST_SEED=new` draws one for each file, which finds what nobody knows yet.
 */
export const SEED = given === 'new' ? Math.floor(Math.random() * 2 ** 31) : Number(given ?? 1);

if (!Number.isInteger(SEED)) throw new Error(`TEST_SEED is "${given}"; it may be a whole number, or "new"`);
if (given === 'new') process.stdout.write(`TEST_SEED=${SEED} repeats this.\n`);
