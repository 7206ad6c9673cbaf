import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { ManualClock } from '../../test/support/manual-clock.js';
import { Emitter } from '../options/emitter.js';
import { errors } from '../protocol/chat-error.js';
import { Calls } from './calls.js';
import type { LinkFrame } from './frames.js';
import type { Link, Links } from './link.js';
import type { Membership } from './membership.js';

/** Two nodes whose links carry frames at once. */
function pair() {
  const clock = new ManualClock();
  const logger = new Logger('Test');
  const emitters = [1, 2].map(() => ({
    frame: new Emitter<Link, LinkFrame>(logger, 'frame'),
    broken: new Emitter<Link>(logger, 'broken'),
  }));
  const links = [1, 2].map(
    (self) =>
      ({
        peer: 3 - self,
        isOpen: true,
        send: (frame) => emitters[2 - self]!.frame.emit(links[2 - self]!, frame),
      }) as Link,
  );
  const [one, two] = [1, 2].map((self) => {
    const membership = { self, view: { nodes: [{ id: 1 }, { id: 2 }] } } as unknown as Membership;
    const ofNode = { ...emitters[self - 1]!, to: (id: number) => (id === 3 - self ? links[self - 1]! : null) };
    return new Calls(membership, ofNode as unknown as Links, clock);
  }) as [Calls, Calls];
  return { clock, one, two, breakLink: () => emitters[0]!.broken.emit(links[0]!) };
}

describe('a call', () => {
  afterEach(() => jest.restoreAllMocks());

  it('is answered by another node, and by this one', async () => {
    const { one, two } = pair();
    for (const [id, calls] of [one, two].entries()) calls.register('who', (argument, from) => [id + 1, argument, from]);
    expect(await one.call(2, 'who', 'x')).toEqual([2, 'x', 1]);
    expect(await one.call(1, 'who', 'x')).toEqual([1, 'x', 1]);
    const { answers, missing } = await two.all('who', 'y');
    expect([...answers.entries()].sort(([one], [other]) => one - other)).toEqual([
      [1, [1, 'y', 2]],
      [2, [2, 'y', 2]],
    ]);
    expect(missing).toEqual([]);
  });

  it('fails as its handler does, and for now when the handler has a fault or is not there', async () => {
    const logged = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    const { one, two } = pair();
    two.register('refuse', () => {
      throw errors.badToken();
    });
    two.register('break', () => Promise.reject(new Error('a fault')));
    await expect(one.call(2, 'refuse', null)).rejects.toMatchObject({ code: 'BAD_TOKEN' });
    await expect(one.call(2, 'break', null)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', temporary: true });
    await expect(one.call(2, 'unknown', null)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(logged).toHaveBeenCalledTimes(1);
  });

  it('names who is missing when no answer comes in time, the link breaks, or there is none', async () => {
    const { clock, one, two, breakLink } = pair();
    two.register('wait', () => new Promise(() => undefined));
    one.register('wait', () => 1);
    const late = one.all('wait', null, 250);
    clock.advance(250);
    expect(await late).toEqual({ answers: new Map([[1, 1]]), missing: [2] });
    const broken = one.all('wait', null);
    breakLink();
    expect((await broken).missing).toEqual([2]);
    await expect(one.call(9, 'wait', null)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
});
