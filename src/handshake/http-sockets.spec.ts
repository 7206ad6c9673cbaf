import { PassThrough } from 'node:stream';
import { ConnectionSlots } from './connection-slots.js';
import { HttpSockets } from './http-sockets.js';

const UNLIMITED = { sessions: 'multiple', connectionsPerUser: null } as const;

function start(connectionsPerAddress: number | null, maxConnections: number | null) {
  const limits = { ...UNLIMITED, connectionsPerAddress, maxConnections };
  const slots = new ConnectionSlots(limits);
  const sockets = new HttpSockets(limits, slots);
  const open = (count: number, customer: string | null) =>
    Array.from({ length: count }, () => {
      const socket = new PassThrough();
      sockets.add(socket, customer);
      return socket;
    });
  return { slots, sockets, open };
}

const left = (sockets: readonly PassThrough[]) => sockets.filter(({ destroyed }) => !destroyed).length;

describe('HttpSockets', () => {
  it.each([
    [1, 100],
    [50, 100],
    [300, 300],
  ])('of one address are as many as its connections may be, %d, and a hundred at least', (connections, most) => {
    const { sockets, open } = start(connections, null);
    const own = open(most + 3, 'a');
    expect(own.map(({ destroyed }) => destroyed)).toEqual(own.map((_, n) => n >= most));
    expect(left(open(1, 'b'))).toBe(1);
    expect(left(open(most + 3, null))).toBe(most + 3);
    expect([sockets.closed.of('address'), sockets.closed.of('room'), sockets.count]).toEqual([3, 0, 2 * most + 4]);
  });

  it('of one address have no limit when its connections have none', () => {
    expect(left(start(null, null).open(500, 'a'))).toBe(500);
  });

  it('leave room for others when they close, and when they become connections', async () => {
    const { sockets, open } = start(1, null);
    const own = open(100, 'a');
    const closed = new Promise((resolve) => own[0]!.once('close', resolve));
    own[0]!.destroy();
    await closed;
    sockets.remove(own[1]!);
    expect(left(open(3, 'a'))).toBe(2);
    expect(sockets.count).toBe(100);
    own[1]!.destroy(); // It is not removed twice.
    expect(sockets.count).toBe(100);
  });

  it('give way to newcomers when there is no room: the oldest of the address that has the most', () => {
    const { sockets, open } = start(null, 10);
    const [few, many] = [open(9, 'few'), open(51, 'many')];
    const newcomers = [open(1, 'one'), open(1, 'other'), open(1, null)].flat();
    expect([left(few), left(newcomers)]).toEqual([9, 3]);
    expect(many.map(({ destroyed }) => destroyed)).toEqual(many.map((_, n) => n < 3));
    expect([sockets.closed.of('room'), sockets.count]).toEqual([3, 60]);
  });

  it('give way to newcomers even when each has another address: the one that came first', () => {
    const { open } = start(null, 10);
    const all = Array.from({ length: 70 }, (_, n) => open(1, `address ${n}`)).flat();
    expect(all.map(({ destroyed }) => destroyed)).toEqual(all.map((_, n) => n < 10));
  });

  it('share the room with the connections, but for a part that is theirs', () => {
    const { slots, open } = start(null, 10);
    for (let n = 0; n < 10; n += 1) slots.take('a', new PassThrough());
    expect(left(open(55, 'b'))).toBe(50);
  });

  it('are not closed for one whose address has no limit, when there is nobody else', () => {
    expect(left(start(1, 10).open(100, null))).toBe(100);
  });
});
