import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { ManualClock } from '../../test/support/manual-clock.js';
import type { Connection } from '../connections/connection.js';
import type { SendRequest } from '../protocol/send-request.js';
import { Policy, type Verdict } from './policy.js';

const options = { clock: new ManualClock(), maxContentBytes: 12, maxMetaBytes: 7 };
const request = (): SendRequest => ({ from: 'alice', to: 'bob', content: 'hello', id: 'm1' });
const connection = {} as Connection;
const decide = (verdict: unknown) => new Policy(() => verdict as Verdict, options).decide(request(), connection);

describe('a policy', () => {
  let log: jest.SpiedFunction<Logger['error']>;
  beforeEach(() => {
    log = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
  });
  afterEach(() => log.mockRestore());

  it.each([
    ['true', true, request()],
    ['false', false, null],
    ['nothing to change', {}, request()],
    ['another content', { content: 'bye' }, { ...request(), content: 'bye' }],
    ['a meta', { meta: { a: 1 } }, { ...request(), meta: { a: 1 }, metaText: '{"a":1}' }],
    ['the whole request with another content', { ...request(), content: 'bye' }, { ...request(), content: 'bye' }],
  ])('decides what is sent, at once or later: %s', async (_what, verdict, decided) => {
    expect(decide(verdict)).toEqual(decided);
    expect(await decide(Promise.resolve(verdict))).toEqual(decided);
    expect(log).not.toHaveBeenCalled();
  });

  it.each([
    ['nothing', undefined, 'it returned neither true, false nor { content?, meta? }'],
    ['null', null, 'it returned neither true, false nor { content?, meta? }'],
    ['a word', 'yes', 'it returned neither true, false nor { content?, meta? }'],
    ['a list', [true], 'it returned neither true, false nor { content?, meta? }'],
    ['another recipient', { to: 'carol' }, `it can't change "to", only { content?, meta? }`],
    ['another id', { ...request(), id: 'm2' }, `it can't change "id", only { content?, meta? }`],
    ['a field that there is not', { contents: 'bye' }, `it can't change "contents", only { content?, meta? }`],
    ['content that is not text', { content: 7 }, 'has to be a string of whole characters'],
    ['half a character', { content: '\ud800' }, 'has to be a string of whole characters'],
    ['content that is too long', { content: 'longer than it' }, '14 bytes'],
    ['a meta that is not an object', { meta: 'x' }, 'has to be an object that JSON can hold'],
    ['a meta that is too long', { meta: { a: 10 } }, '8 bytes'],
    ['both too long together', { content: 'longer', meta: { a: 1 } }, '13 bytes'],
  ])('refuses the message and tells the log when it returns %s', async (_what, verdict, reason) => {
    expect(decide(verdict)).toBeNull();
    expect(await decide(Promise.resolve(verdict))).toBeNull();
    const told = expect.stringContaining(reason);
    expect(log.mock.calls).toEqual([[told], [told]]);
    expect(log.mock.calls.flat().join()).not.toMatch(/longer|carol|yes/);
  });

  it('keeps the meta of the sender with another content, and tells the policy nothing but what was sent', () => {
    const asked: unknown[] = [];
    const policy = new Policy((given) => (asked.push(given), { content: 'x' }), options);
    const sent = { ...request(), meta: { b: 2 }, metaText: '{"b":2}' };
    expect(policy.decide(sent, connection)).toEqual({ ...sent, content: 'x' });
    expect(asked).toEqual([{ type: 'message', ...request(), meta: { b: 2 } }]);
  });

  it.each([
    ['true', true, true, 0],
    ['false', false, false, 0],
    ['the content that it has not', { content: '' }, true, 0],
    ['a change, which a signal has not', { content: 'bye' }, false, 2],
    ['nothing', undefined, false, 2],
  ])('allows a signal or not, at once or later: %s', async (_what, verdict, allowed, complaints) => {
    const asked: unknown[] = [];
    const signal = { from: 'alice', to: 'bob', kind: 'composing', data: '{"a":1}' };
    const answer = (given: unknown) => new Policy((what) => (asked.push(what), given as Verdict), options);
    expect(answer(verdict).allows(signal, connection)).toBe(allowed);
    expect(await answer(Promise.resolve(verdict)).allows(signal, connection)).toBe(allowed);
    expect(asked[0]).toEqual({ ...signal, type: 'signal', content: '', data: { a: 1 } });
    expect(Object.isFrozen(asked[0])).toBe(true);
    expect(log).toHaveBeenCalledTimes(complaints);
  });

  it.each(['bob', undefined])('allows a question to the record or not: about %s', async (to) => {
    const asked: unknown[] = [];
    const policy = (verdict: unknown) => new Policy((what) => (asked.push(what), verdict as Verdict), options);
    const alice = { user: 'alice' } as Connection;
    expect(policy(true).allowsHistory(to, alice)).toBe(true);
    expect(policy(false).allowsHistory(to, alice)).toBe(false);
    expect(await policy(Promise.resolve(true)).allowsHistory(to, alice)).toBe(true);
    expect(policy({ content: 'x' }).allowsHistory(to, alice)).toBe(false);
    expect(asked[0]).toEqual({ type: 'history', from: 'alice', to, content: '' });
    expect(log).toHaveBeenCalledTimes(1);
  });

  it('cannot change the request that it is given', () => {
    const asked = request();
    const writing = new Policy((given) => {
      (given as { content: string }).content = 'bye';
      return true;
    }, options);
    expect(writing.decide(asked, connection)).toBeNull();
    expect(asked).toEqual(request());
    expect(log.mock.calls.flat().join()).toMatch(/read only property 'content'/);
  });
});
