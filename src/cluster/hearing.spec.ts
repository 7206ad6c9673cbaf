import { ManualClock } from '../../test/support/manual-clock.js';
import { Hearing } from './hearing.js';

describe('hearing all nodes', () => {
  const clock = new ManualClock();
  let hears = true;
  let hearing: Hearing;
  beforeEach(() => {
    hears = true;
    hearing = new Hearing(clock, 500, 3_000, () => hears);
  });
  afterEach(() => hearing.stop());

  it('lasts as long as it is without a gap', () => {
    expect(hearing.isUnbroken()).toBe(false);
    hearing.renew();
    clock.advance(60_000);
    expect(hearing.isUnbroken()).toBe(true);
  });

  it('is broken by a gap until the next beat', () => {
    hearing.renew();
    hears = false;
    clock.advance(500);
    hears = true;
    expect(hearing.isUnbroken()).toBe(false);
    hearing.renew();
    expect(hearing.isUnbroken()).toBe(true);
  });

  it('is broken when the process was stopped, whatever it hears then', () => {
    hearing.renew();
    hearing.stop();
    clock.advance(3_001);
    expect(hearing.isUnbroken()).toBe(false);
    expect(hearing.isUnbroken()).toBe(false);
  });
});
