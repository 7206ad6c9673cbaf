import { PassThrough } from 'node:stream';
import { ConnectionSlots, type ConnectionSlot } from './connection-slots.js';

const UNLIMITED = {
  sessions: 'multiple',
  connectionsPerUser: null,
  connectionsPerAddress: null,
  maxConnections: null,
} as const;

async function closed(socket: PassThrough): Promise<void> {
  const close = new Promise((resolve) => socket.once('close', resolve));
  socket.destroy();
  await close;
}

describe('ConnectionSlots', () => {
  it('are taken by whoever is still asked who comes, and given back when the socket is closed', async () => {
    const slots = new ConnectionSlots({ ...UNLIMITED, maxConnections: 3, connectionsPerAddress: 2 });
    const [first, second] = [new PassThrough(), new PassThrough()];
    expect(slots.take('a', first)).toEqual({ assign: expect.any(Function) });
    slots.take('a', second);
    expect(slots.take('a', new PassThrough())).toBe('address');
    slots.take('b', new PassThrough());
    expect(slots.take('c', new PassThrough())).toBe('server');
    await closed(first);
    expect(slots.take('a', new PassThrough())).toEqual({ assign: expect.any(Function) });
    expect(slots.take('c', new PassThrough())).toBe('server');
  });

  it('are counted by network in IPv6, and by nothing for what has no address', () => {
    const slots = new ConnectionSlots({ ...UNLIMITED, connectionsPerAddress: 1 });
    const slot = { assign: expect.any(Function) };
    expect(slots.take('2001:db8::7', new PassThrough())).toEqual(slot);
    expect(slots.take('2001:db8::8', new PassThrough())).toBe('address');
    expect(slots.take('2001:db8:0:1::7', new PassThrough())).toEqual(slot);
    for (let n = 0; n < 2; n += 1) expect(slots.take('', new PassThrough())).toEqual(slot);
  });

  it('are counted by user once it is known who comes', async () => {
    const slots = new ConnectionSlots({ ...UNLIMITED, connectionsPerUser: 1 });
    const [first, second] = [new PassThrough(), new PassThrough()];
    const [one, other] = [slots.take('a', first) as ConnectionSlot, slots.take('a', second) as ConnectionSlot];
    expect(one.assign('bob')).toBe(true);
    expect(other.assign('bob')).toBe(false);
    await closed(second);
    expect((slots.take('a', new PassThrough()) as ConnectionSlot).assign('bob')).toBe(false);
    await closed(first);
    expect((slots.take('a', new PassThrough()) as ConnectionSlot).assign('bob')).toBe(true);
  });

  it('take no user for a socket that is gone, as nobody would give that back', async () => {
    const slots = new ConnectionSlots({ ...UNLIMITED, connectionsPerUser: 1 });
    const gone = new PassThrough();
    const slot = slots.take('a', gone) as ConnectionSlot;
    await closed(gone);
    expect(slot.assign('bob')).toBe(false);
    expect((slots.take('a', new PassThrough()) as ConnectionSlot).assign('bob')).toBe(true);
  });

  it('of a user are not limited under replace: a new connection ends the old one', () => {
    const slots = new ConnectionSlots({ ...UNLIMITED, sessions: 'replace', connectionsPerUser: 1 });
    for (let n = 0; n < 3; n += 1) {
      expect((slots.take('a', new PassThrough()) as ConnectionSlot).assign('bob')).toBe(true);
    }
  });
});
