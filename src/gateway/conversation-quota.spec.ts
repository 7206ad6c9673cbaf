import { ManualClock } from '../../test/support/manual-clock.js';
import { ConversationQuota } from './conversation-quota.js';

const HOUR_MS = 3_600_000;

function open({ perDay = 2, known = [] as string[] } = {}) {
  const clock = new ManualClock();
  const looks: string[] = [];
  const conversations = {
    has: (_user: string, peer: string) => {
      looks.push(peer);
      return peer === 'broken' ? Promise.reject(new Error('no store')) : Promise.resolve(known.includes(peer));
    },
  };
  const quota = new ConversationQuota(conversations, perDay, clock);
  const write = async (to: string | undefined, { from = 'alice', ttl = undefined as number | undefined } = {}) => {
    try {
      return (await quota.judge({ from, to, content: 'x', id: 'm1', ttl }))!.to ?? 'everybody';
    } catch (error) {
      return error;
    }
  };
  return { clock, looks, quota, write };
}

const REFUSED = { code: 'SENDER_QUOTA', scope: 'conversations', temporary: true, id: 'm1' };

describe('the limit of new conversations', () => {
  it('holds up who writes to everybody, and nobody who goes on talking', async () => {
    const { write } = open({ known: ['friend'] });
    expect([await write('bob'), await write('carol')]).toEqual(['bob', 'carol']);
    expect(await write('dave')).toMatchObject(REFUSED);
    expect(await Promise.all(['bob', 'carol', 'friend'].map((to) => write(to)))).toEqual(['bob', 'carol', 'friend']);
    expect(await write('dave', { from: 'erin' })).toBe('dave');
  });

  it('counts those of the last 24 hours', async () => {
    const { clock, write } = open();
    await write('bob');
    clock.advance(23 * HOUR_MS);
    await write('carol');
    expect(await write('dave')).toMatchObject(REFUSED);
    clock.advance(HOUR_MS);
    expect(await write('dave')).toBe('dave');
    expect(await write('erin')).toMatchObject(REFUSED);
  });

  it('counts neither a broadcast, nor what is never stored, nor what the policy refuses', async () => {
    const { looks, quota, write } = open({ perDay: 1 });
    expect([await write(undefined), await write('bob', { ttl: 0 }), quota.judge(null)]).toEqual([
      'everybody',
      'bob',
      null,
    ]);
    expect(looks).toEqual([]);
    expect(await write('carol')).toBe('carol');
  });

  it('looks once for each pair of users, and at once decides what it knows', async () => {
    const { looks, quota, write } = open({ known: ['bob'] });
    await write('bob');
    const request = { from: 'alice', to: 'bob', content: 'y' };
    expect(quota.judge(request)).toBe(request);
    expect(looks).toEqual(['bob']);
  });

  it('waits for the policy, and holds nobody up while the store cannot be read', async () => {
    const { quota, write } = open({ perDay: 1 });
    const request = { from: 'alice', to: 'bob', content: 'y' };
    expect(await quota.judge(Promise.resolve(request))).toBe(request);
    expect(await quota.judge(Promise.resolve(null))).toBeNull();
    expect(await write('broken')).toBe('broken');
  });

  it('remembers a bounded number of users for each sender', async () => {
    const { looks, write } = open({ perDay: 100 });
    for (let n = 0; n <= 32; n += 1) await write(`u${n}`);
    await write('u32');
    expect(looks).toHaveLength(33);
    await write('u0');
    expect(looks).toHaveLength(34);
  });
});
