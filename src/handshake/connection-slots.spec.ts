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

describe('Places', () => {
  it('are taken by whoever is still asked who comes, and given back when the socket is closed', async () => {
    const places = new ConnectionSlots({ ...UNLIMITED, maxConnections: 3, connectionsPerAddress: 2 });
    const [first, second] = [new PassThrough(), new PassThrough()];
    expect(places.take('a', first)).toEqual({ assign: expect.any(Function) });
    places.take('a', second);
    expect(places.take('a', new PassThrough())).toBe('address');
    places.take('b', new PassThrough());
    expect(places.take('c', new PassThrough())).toBe('server');
    await closed(first);
    expect(places.take('a', new PassThrough())).toEqual({ assign: expect.any(Function) });
    expect(places.take('c', new PassThrough())).toBe('server');
  });

  it('are counted by network in IPv6, and by nothing for what has no address', () => {
    const places = new ConnectionSlots({ ...UNLIMITED, connectionsPerAddress: 1 });
    const place = { assign: expect.any(Function) };
    expect(places.take('2001:db8::7', new PassThrough())).toEqual(place);
    expect(places.take('2001:db8::8', new PassThrough())).toBe('address');
    expect(places.take('2001:db8:0:1::7', new PassThrough())).toEqual(place);
    for (let n = 0; n < 2; n += 1) expect(places.take('', new PassThrough())).toEqual(place);
  });

  it('are counted by user once it is known who comes', async () => {
    const places = new ConnectionSlots({ ...UNLIMITED, connectionsPerUser: 1 });
    const [first, second] = [new PassThrough(), new PassThrough()];
    const [one, other] = [places.take('a', first) as ConnectionSlot, places.take('a', second) as ConnectionSlot];
    expect(one.assign('bob')).toBe(true);
    expect(other.assign('bob')).toBe(false);
    await closed(second);
    expect((places.take('a', new PassThrough()) as ConnectionSlot).assign('bob')).toBe(false);
    await closed(first);
    expect((places.take('a', new PassThrough()) as ConnectionSlot).assign('bob')).toBe(true);
  });

  it('take no user for a socket that is gone, as nobody would give that back', async () => {
    const places = new ConnectionSlots({ ...UNLIMITED, connectionsPerUser: 1 });
    const gone = new PassThrough();
    const place = places.take('a', gone) as ConnectionSlot;
    await closed(gone);
    expect(place.assign('bob')).toBe(false);
    expect((places.take('a', new PassThrough()) as ConnectionSlot).assign('bob')).toBe(true);
  });

  it('of a user are not limited under replace: a new connection ends the old one', () => {
    const places = new ConnectionSlots({ ...UNLIMITED, sessions: 'replace', connectionsPerUser: 1 });
    for (let n = 0; n < 3; n += 1) {
      expect((places.take('a', new PassThrough()) as ConnectionSlot).assign('bob')).toBe(true);
    }
  });
});
