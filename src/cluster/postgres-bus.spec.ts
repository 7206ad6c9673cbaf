import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { ManualClock } from '../../test/support/manual-clock.js';
import { NodeSession } from '../database/node-session.js';
import { PostgresBus } from './postgres-bus.js';

/** Lets statements resolve. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a bus over Postgres', () => {
  const clock = new ManualClock();
  let usage: number;
  /** The payloads of each statement that published something else than an echo. */
  let statements: string[][];
  let bus: PostgresBus;
  let warned: jest.SpiedFunction<Logger['warn']>;

  beforeEach(async () => {
    usage = 0;
    statements = [];
    warned = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    jest.spyOn(Logger.prototype, 'log').mockReturnValue();
    const query = async (sql: string, parameters?: unknown[]) => {
      const payloads = (parameters?.[1] ?? []) as string[];
      const packets = payloads.map((payload) => Buffer.from(payload, 'base64').toString());
      if (sql.includes('pg_notify') && packets.some((packet) => packet !== '\0')) statements.push(packets);
      return [{ usage }];
    };
    const session = { query, lock: async () => undefined, close: async () => undefined, name: { pid: 1, since: '' } };
    jest.spyOn(NodeSession, 'open').mockResolvedValue(session as unknown as NodeSession);
    bus = new PostgresBus({ type: 'postgres' }, 'c1', clock);
    await bus.listen(1);
    clock.advance(10);
    await turn();
    clock.advance(10);
  });
  afterEach(async () => {
    await bus.close();
    jest.restoreAllMocks();
  });

  const publish = (packet: string) => bus.publish(2, Buffer.from(packet), () => undefined);

  it('publishes the first packet after a pause at once, and gathers what comes within 5 ms', async () => {
    const before = bus.transactions;
    publish('a');
    publish('b');
    await turn();
    for (const packet of ['c', 'd', 'e']) {
      publish(packet);
      await turn();
    }
    expect(statements).toEqual([['a', 'b']]);
    clock.advance(5);
    await turn();
    expect(statements).toEqual([
      ['a', 'b'],
      ['c', 'd', 'e'],
    ]);
    // Each statement takes one id of a transaction.
    expect(bus.transactions - before).toBe(2);
    await bus.close();
    expect(clock.pendingAlarms).toBe(0);
  });

  it('slows down while the queue of notifications fills up, and says so', async () => {
    usage = 0.15;
    publish('a');
    await turn();
    expect(warned.mock.calls).toEqual([[expect.stringContaining('is 15 % full')]]);
    publish('b');
    clock.advance(99);
    await turn();
    expect(statements).toEqual([['a']]);
    usage = 0;
    clock.advance(1);
    await turn();
    publish('c');
    clock.advance(5);
    await turn();
    expect(statements).toEqual([['a'], ['b'], ['c']]);
  });
});
