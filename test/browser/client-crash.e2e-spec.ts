import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SEED } from '../support/seed.js';
import { ClientRounds, type Victim } from './client-rounds.js';
import { describeClient } from './client-stage.js';
import { Profile } from './profile.js';

/** For `npm run soak:client`: rounds are played for so long. Otherwise each victim is killed once. */
const MINUTES = Number(process.env['SOAK_MINUTES'] ?? 0);
const VICTIMS: readonly Victim[] = ['browser', 'server', 'both'];

describeClient('the client and the server, killed in turn,', (stage) => {
  it(
    'lose nothing, keep the order, and hand again only with a mark',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'holdfast-rounds-'));
      const profile = await Profile.create();
      const rounds = await ClientRounds.start(`sqlite:${join(folder, 'chat.sqlite')}`, stage.pages, profile, SEED);
      try {
        const end = performance.now() + MINUTES * 60_000;
        let played = 0;
        do {
          for (const victim of VICTIMS) await rounds.play(victim);
          played += VICTIMS.length;
        } while (performance.now() < end);
        const faults = await rounds.settle();
        process.stderr.write(`${played} rounds with TEST_SEED=${SEED}: ${JSON.stringify(rounds.totals)}\n`);
        expect(faults).toEqual([]);
      } finally {
        await rounds.dispose();
        await profile.dispose();
        await rm(folder, { recursive: true, force: true });
      }
    },
    90_000 + MINUTES * 60_000,
  );
});
