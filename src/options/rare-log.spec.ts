import { Logger } from '@nestjs/common';
import { ManualClock } from '../../test/support/manual-clock.js';
import { RareLog } from './rare-log.js';

function logged() {
  const lines: string[] = [];
  const logger = Object.assign(new Logger(), {
    warn: (line: string) => lines.push(`warn ${line}`),
    error: (line: string) => lines.push(`error ${line}`),
  });
  const clock = new ManualClock();
  return { lines, clock, log: new RareLog(logger, clock) };
}

describe('a log of what strangers can bring about', () => {
  it('has one line a kind and minute, and the next says how many were left out', () => {
    const { lines, clock, log } = logged();
    for (let n = 0; n < 3; n += 1) log.warn('one', 'it failed', 'at here');
    log.error('other', 'it failed too');
    expect(lines).toEqual(['warn it failed\nat here', 'error it failed too']);
    clock.advance(59_999);
    log.warn('one', 'it failed');
    expect(lines).toHaveLength(2);
    clock.advance(1);
    for (let n = 0; n < 2; n += 1) log.warn('one', 'it failed');
    expect(lines.slice(2)).toEqual(['warn it failed (and 3 more since the last such line)']);
    clock.advance(60_000);
    clock.advance(60_000);
    log.error('other', 'it failed too');
    expect(lines.at(-1)).toBe('error it failed too');
  });

  it('stays short, however many kinds there are', () => {
    const { lines, log } = logged();
    for (let n = 0; n < 10_000; n += 1) log.warn(`kind ${n}`, 'it failed');
    expect(lines).toHaveLength(101);
  });

  it('is not silenced by a clock that is set back', () => {
    const { lines, clock, log } = logged();
    log.warn('one', 'it failed');
    clock.now = () => 0;
    log.warn('one', 'it failed');
    expect(lines).toHaveLength(2);
  });
});
