import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FakeSocket } from '../../test/support/fake-socket.js';
import { ManualClock } from '../../test/support/manual-clock.js';
import { ConnectionService } from '../connections/connection.service.js';
import { Hold } from '../connections/reading.js';
import type { Delivery } from '../delivery/delivery.js';
import { resolveChatOptions, type GivenChatOptions } from '../options/chat.options.js';
import { errors } from '../protocol/chat-error.js';
import type { RecordFrame } from '../protocol/frames.js';
import type { RecordService } from '../record/record.service.js';
import { Policy, type Authorize } from './policy.js';
import { RecordFrames } from './record-frames.js';
import { SendQueue } from './send-queue.js';

const RECORD = { keepMs: 60_000 };
const MESSAGE = {
  position: 33,
  id: 'm1',
  from: 'bob',
  to: 'alice',
  content: 'hi',
  meta: '{"a":1}',
  sentAt: 0,
  erasedAt: null,
};

const history = (id: string): RecordFrame => ({ event: 'history', id, request: { with: 'bob', limit: 50 } });
const sync = (id: string): RecordFrame => ({ event: 'sync', id, request: { after: 3, limit: 50 } });
const conversations = (id: string): RecordFrame => ({ event: 'conversations', id, request: { limit: 50 } });
const read: RecordFrame = { event: 'read', request: { with: 'bob', upTo: 33 } };

/** A connection of Alice that asks, and a record that answers when the test lets it. */
function open(given: GivenChatOptions = {}, authorize?: Authorize) {
  const clock = new ManualClock();
  const options = resolveChatOptions({ clock, framesPerSecond: null, record: RECORD, ...given });
  const connections = new ConnectionService(options);
  const { socket, connection } = FakeSocket.open(connections, 'alice');
  connection.onOpened(0);
  const asked: string[] = [];
  const open: (() => void)[] = [];
  const answer = <Page>(what: string, page: Page) => {
    asked.push(what);
    return new Promise<Page>((resolve) => open.push(() => resolve(page)));
  };
  const marks = { delivered: null, read: 33 };
  const conversation = {
    with: 'bob',
    newest: 33,
    last: MESSAGE,
    unread: 2,
    own: marks,
    peer: { ...marks, read: null },
  };
  const record = {
    history: (user: string) => answer(`history ${user}`, { items: [MESSAGE], before: 33, after: null }),
    sync: () => answer('sync', { items: [], after: 36, hasMore: false, isComplete: true }),
    conversations: () => answer('conversations', { items: [conversation], before: null }),
    markRead: (...mark: unknown[]) => answer(`read ${mark.join(' ')}`, undefined),
  };
  const refused: string[] = [];
  const delivery = { ledger: { countRefusal: (code: string) => refused.push(code) } } as unknown as Delivery;
  const policy = authorize ? new Policy(authorize, options) : null;
  const queue = new SendQueue(connection, { options, delivery, policy, quota: null, logger: new Logger('test') });
  const frames = new RecordFrames(options, record as unknown as RecordService);
  /** Lets the oldest question be answered. */
  const go = async () => {
    open.shift()?.();
    await nextTurn();
    connection.endTurn();
  };
  const told = () => socket.frames.filter(({ event }) => event !== 'welcome');
  const isHeld = () => connection.reading.isHeldFor(Hold.RECORD);
  return { asked, clock, connection, frames, go, isHeld, queue, record, refused, socket, told };
}

describe('what a connection asks of the record', () => {
  it('is answered with the id of the question', async () => {
    const { frames, go, queue, told } = open();
    for (const frame of [history('h1'), sync('s1'), conversations('c1')]) {
      expect(frames.handle(queue, frame)).toBe(true);
      await nextTurn();
      await go();
    }
    const message = { position: '00000000011', id: 'm1', from: 'bob', to: 'alice', content: 'hi', meta: { a: 1 } };
    const item = { ...message, sentAt: '1970-01-01T00:00:00.000Z' };
    const marks = { delivered: null, read: '00000000011', peerDelivered: null, peerRead: null };
    const conversation = { with: 'bob', newest: '00000000011', last: item, unread: 2, ...marks };
    expect(told()).toEqual([
      { event: 'history', data: { id: 'h1', items: [item], before: '00000000011', after: null } },
      { event: 'sync', data: { id: 's1', items: [], after: 's10', more: false, complete: true } },
      { event: 'conversations', data: { id: 'c1', items: [conversation], before: null } },
    ]);
  });

  it('is asked one after the other, and the socket is not read while something waits', async () => {
    const { asked, frames, go, isHeld, queue, told } = open();
    frames.handle(queue, history('h1'));
    await nextTurn();
    expect(isHeld()).toBe(false);
    frames.handle(queue, read);
    frames.handle(queue, sync('s1'));
    await nextTurn();
    expect([asked, isHeld()]).toEqual([['history alice'], true]);
    await go();
    expect([asked.slice(1), isHeld()]).toEqual([['read alice bob 33'], true]);
    await go();
    expect([asked.slice(2), isHeld()]).toEqual([['sync'], false]);
    await go();
    expect(told().map(({ event }) => event)).toEqual(['history', 'sync']);
  });

  it('counts as five messages of the rate, and a read mark as one', async () => {
    const { asked, clock, frames, go, queue } = open({ framesPerSecond: 10, frameBurst: 6 });
    frames.handle(queue, history('h1'));
    frames.handle(queue, read);
    frames.handle(queue, sync('s1'));
    for (let n = 0; n < 2; n += 1) {
      await nextTurn();
      await go();
    }
    expect(asked).toEqual(['history alice', 'read alice bob 33']);
    for (let n = 0; n < 4; n += 1) {
      clock.advance(100);
      await nextTurn();
    }
    expect(asked).toHaveLength(2);
    clock.advance(100);
    await nextTurn();
    expect(asked.slice(2)).toEqual(['sync']);
    await go();
  });

  it('is refused where nothing is recorded', () => {
    const { asked, frames, queue, connection, told } = open({ record: null });
    expect(frames.handle(queue, history('h1'))).toBe(false);
    expect(frames.handle(queue, read)).toBe(false);
    connection.endTurn();
    expect(told()).toMatchObject([
      { event: 'exception', data: { code: 'NOT_RECORDED', id: 'h1', temporary: false } },
      { event: 'exception', data: { code: 'NOT_RECORDED' } },
    ]);
    expect(asked).toEqual([]);
  });

  it('is refused when the application does not allow it', async () => {
    const authorize = jest.fn<Authorize>(({ to }) => Promise.resolve(to !== 'bob'));
    const { asked, frames, go, queue, refused, told } = open({}, authorize);
    frames.handle(queue, history('h1'));
    frames.handle(queue, conversations('c1'));
    await nextTurn();
    await go();
    expect(asked).toEqual(['conversations']);
    expect(told().map(({ data }) => data['code'] ?? data['id'])).toEqual(['NOT_ALLOWED', 'c1']);
    expect(refused).toEqual(['NOT_ALLOWED']);
    expect(authorize.mock.calls.map(([{ type, to }]) => [type, to])).toEqual([
      ['history', 'bob'],
      ['history', undefined],
    ]);
  });

  it('is refused with its id while the store cannot be read, and what follows is asked', async () => {
    const { asked, frames, go, queue, record, told } = open();
    record.history = () => Promise.reject(errors.notRead(new Error('down')));
    frames.handle(queue, history('h1'));
    frames.handle(queue, sync('s1'));
    await nextTurn();
    await go();
    expect(asked).toEqual(['sync']);
    expect(told()).toMatchObject([{ data: { code: 'STORE_UNAVAILABLE', id: 'h1' } }, { data: { id: 's1' } }]);
  });

  it('is forgotten when its connection ends', async () => {
    const { asked, clock, connection, frames, go, isHeld, queue, refused } = open({
      framesPerSecond: 1,
      frameBurst: 1,
    });
    const timers = clock.pendingAlarms;
    frames.handle(queue, history('h1'));
    frames.handle(queue, sync('s1'));
    expect(clock.pendingAlarms).toBe(timers + 1);
    connection.close(4403, 'bye');
    frames.handle(queue, read);
    expect(isHeld()).toBe(false);
    clock.advance(10_000);
    await nextTurn();
    await go();
    expect([asked, refused, clock.pendingAlarms]).toEqual([[], [], timers]);
  });
});
