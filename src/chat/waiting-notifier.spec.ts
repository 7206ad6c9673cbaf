import { Logger } from '@nestjs/common';
import { Random } from '../../test/support/crash-random.js';
import { ManualClock } from '../../test/support/manual-clock.js';
import { mailboxKeyOf, type MailboxKey, type RemovalReason, type StoredHeader } from '../delivery/mailbox-store.js';
import { Emitter } from '../options/emitter.js';
import type { Message, Urgency } from '../protocol/message.js';
import { slotOf } from '../offline-messages/slot.js';
import type { WaitingEvent } from './chat-events.js';
import { WaitingNotifier, type NotifyingStore } from './waiting-notifier.js';

const AFTER_MS = 10_000;
const logger = new Logger('Test');

/** What the tables hold, so that a notifier can be started on it again. */
class Tables {
  readonly rows = new Map<MailboxKey, StoredHeader[]>();
  readonly notices = new Map<MailboxKey, number>();
  /** The ids of messages that are not urgent at all. */
  readonly idle = new Set<string>();
  position = 0;

  of(user: string): StoredHeader[] {
    return this.rows.get(mailboxKeyOf(user)) ?? [];
  }
}

/** A store whose statements run one at a time, in later turns, between the commits that a test makes. */
class FakeStore implements NotifyingStore {
  readonly removed = new Emitter<StoredHeader, RemovalReason>(logger, 'removed');
  readonly displaced = new Emitter<number, boolean>(logger, 'displaced');
  readonly stored = new Emitter<Message>(logger, 'stored');
  readonly node: NotifyingStore['node'] = null;
  readonly waiting = { told: 0, failed: 0 };
  fails = false;
  statements = 0;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    readonly tables: Tables,
    readonly clock: ManualClock,
  ) {}

  countWaiting(outcome: 'told' | 'failed'): void {
    this.waiting[outcome] += 1;
  }

  notices: NotifyingStore['notices'] = {
    states: (mailboxes) =>
      this.inTurn(() =>
        mailboxes.map((mailbox) => {
          const rows = this.tables.of(mailbox);
          const told = this.tables.notices.get(mailbox) ?? 0;
          const sentAt = rows.find(({ id }) => !this.tables.idle.has(id))?.sentAt ?? 0;
          return { mailbox, oldest: rows[0]?.position ?? 0, sentAt, told };
        }),
      ),
    mailboxesAfter: (after, limit) =>
      this.inTurn(() =>
        [...this.tables.rows.keys()]
          .filter((key) => key > after)
          .sort()
          .slice(0, limit),
      ),
    mailboxesOfSlot: (slot, after, limit) =>
      this.inTurn(() =>
        [...this.tables.rows.keys()]
          .filter((key) => slotOf(key) === slot && key > after)
          .sort()
          .slice(0, limit),
      ),
    toldAfter: (after, limit) =>
      this.inTurn(() =>
        [...this.tables.notices.keys()]
          .filter((key) => key > after)
          .sort()
          .slice(0, limit),
      ),
    summary: (mailbox) =>
      this.inTurn(() => {
        const rows = this.tables.of(mailbox);
        const newest = rows.at(-1);
        return newest ? { count: rows.length, from: ['ann'], newest, urgency: 'normal' as const } : null;
      }),
    save: (mailbox, isOver) =>
      this.inTurn(() => {
        const [first] = this.tables.of(mailbox);
        if (first && !isOver()) this.tables.notices.set(mailbox, first.position);
      }),
    removeOfEmpty: (mailboxes) =>
      this.inTurn(() => {
        for (const key of mailboxes) if (this.tables.of(key).length === 0) this.tables.notices.delete(key);
      }),
    follow: (removed) =>
      this.inTurn(() => {
        for (const { mailbox, position } of removed()) {
          const [first] = this.tables.of(mailbox);
          if (!first) this.tables.notices.delete(mailbox);
          else if ((this.tables.notices.get(mailbox) ?? 0) >= position)
            this.tables.notices.set(mailbox, first.position);
        }
      }),
  };

  store(user: string, urgency?: Urgency): void {
    const { tables } = this;
    const header = { id: `m${(tables.position += 1)}`, from: 'ann', to: user, sentAt: this.clock.now() };
    const mailbox = mailboxKeyOf(user);
    if (urgency === 'very-low') tables.idle.add(header.id);
    tables.rows.set(mailbox, [...tables.of(user), { ...header, mailbox, position: tables.position, bytes: 1 }]);
    this.stored.emit({ ...header, content: 'x', extras: urgency && { urgency } });
  }

  /** Removes the first messages of a mailbox in one commit. */
  remove(user: string, reason: RemovalReason, count = Infinity): void {
    const rows = this.tables.of(user);
    if (count >= rows.length) this.tables.rows.delete(mailboxKeyOf(user));
    else this.tables.rows.set(mailboxKeyOf(user), rows.slice(count));
    for (const row of rows.slice(0, count)) this.removed.emit(row, reason);
  }

  private inTurn<Result>(run: () => Result): Promise<Result> {
    const result = this.turn.then(() => {
      this.statements += 1;
      if (this.fails) throw new Error('the disk fails');
      return run();
    });
    this.turn = result.catch(() => undefined);
    return result;
  }
}

/** Lets everything happen that needs no time to pass. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 12; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

let clock: ManualClock;
let store: FakeStore;
let notifier: WaitingNotifier;
let told: WaitingEvent[];
let answer: (event: WaitingEvent) => unknown;

async function start(tables = new Tables(), waitingAfterMs = AFTER_MS): Promise<void> {
  clock ??= new ManualClock();
  store = new FakeStore(tables, clock);
  const call = (event: WaitingEvent) => {
    told.push(event);
    return answer(event);
  };
  notifier = new WaitingNotifier([{ title: 'Test.onWaiting', call }], store, store, {
    clock,
    waitingAfterMs,
    drainMs: 5_000,
  });
  notifier.start();
  await quiet();
}

async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await quiet();
}

const users = () => told.map(({ user }) => user);

beforeEach(() => {
  clock = new ManualClock();
  told = [];
  answer = () => undefined;
  Logger.overrideLogger(false);
});
afterEach(async () => {
  const stopping = notifier.stop();
  clock.advance(5_000);
  await stopping;
});

describe('a spell', () => {
  it('is told once, when the oldest message is old enough, however many come', async () => {
    await start();
    store.store('bob');
    await pass(6_000);
    for (let n = 0; n < 49; n += 1) store.store('bob');
    await pass(3_999);
    expect(told).toEqual([]);
    await pass(1);
    expect(told).toMatchObject([{ user: 'bob', count: 50, newest: { id: 'm50' }, urgency: 'normal' }]);
    store.store('bob');
    await pass(1_000_000);
    expect(users()).toEqual(['bob']);
    expect(store.waiting).toEqual({ told: 1, failed: 0 });
  });

  it('is put off by every confirmation, so that who reads a backlog is not told', async () => {
    await start();
    for (let n = 0; n < 20; n += 1) store.store('bob');
    for (let n = 0; n < 20; n += 1) {
      await pass(9_999);
      store.remove('bob', 'confirmed', 1);
    }
    await pass(100_000);
    expect(told).toEqual([]);
    expect(store.tables.notices.size).toBe(0);
  });

  it('begins anew when something was confirmed, and what is left is old enough', async () => {
    await start();
    for (let n = 0; n < 3; n += 1) store.store('bob');
    await pass(AFTER_MS);
    store.remove('bob', 'confirmed', 1);
    await pass(9_999);
    expect(users()).toEqual(['bob']);
    await pass(1);
    expect(told.map(({ count }) => count)).toEqual([3, 2]);
  });

  it('waits for the age of its own message, also behind one that has left', async () => {
    await start();
    store.store('bob');
    await pass(9_000);
    store.remove('bob', 'confirmed');
    await pass(9_000);
    store.store('bob');
    await pass(9_999);
    expect(told).toEqual([]);
    await pass(1);
    expect(users()).toEqual(['bob']);
  });

  it.each(['purged', 'expired'] as const)('ends when what waits is %s, and the next one is told', async (reason) => {
    await start();
    store.store('bob');
    await pass(AFTER_MS);
    store.remove('bob', reason);
    await quiet();
    expect(store.tables.notices.size).toBe(0);
    store.store('bob');
    await pass(AFTER_MS);
    expect(users()).toEqual(['bob', 'bob']);
  });

  it.each(['purged', 'expired', 'evicted', 'replaced'] as const)('goes on when a part of it is %s', async (reason) => {
    await start();
    for (let n = 0; n < 3; n += 1) store.store('bob');
    await pass(AFTER_MS);
    store.remove('bob', reason, 1);
    await quiet();
    store.store('bob');
    await pass(100_000);
    expect(users()).toEqual(['bob']);
  });

  it('is told at once for a message that is urgent, and never for one that is not urgent at all', async () => {
    await start();
    store.store('bob', 'high');
    store.store('cat', 'very-low');
    store.store('dan', 'low');
    await pass(0);
    expect(users()).toEqual(['bob']);
    await pass(AFTER_MS);
    expect(users()).toEqual(['bob', 'dan']);
  });

  it('is told at last when the clock was set back by a day', async () => {
    await start();
    store.store('bob');
    clock.setBy(-86_400_000);
    await pass(AFTER_MS);
    expect(users()).toEqual(['bob']);
  });
});

describe('what happens while a user is looked at', () => {
  /** Starts, stores three messages for Bob, and does this while he is being told. */
  async function meanwhile(work: () => void): Promise<void> {
    await start();
    for (let n = 0; n < 3; n += 1) store.store('bob');
    let done = () => undefined as void;
    answer = () => new Promise<void>((resolve) => (done = resolve));
    await pass(AFTER_MS);
    work();
    await quiet();
    answer = () => undefined;
    done();
    await quiet();
    await pass(AFTER_MS);
    await pass(AFTER_MS);
  }

  it.each([
    ['a confirmation', 2, () => store.remove('bob', 'confirmed', 1)],
    ['a purge, and a message behind it', 2, () => (store.remove('bob', 'purged'), store.store('bob'))],
    ['a message', 1, () => store.store('bob')],
    ['an eviction', 1, () => store.remove('bob', 'evicted', 1)],
    ['the confirmation of everything', 1, () => store.remove('bob', 'confirmed')],
  ])('counts: %s', async (_what, times, work) => {
    await meanwhile(work);
    expect(users()).toEqual(Array.from({ length: times }, () => 'bob'));
    expect(notifier['spells'].size).toBe(0);
  });

  it('counts for a message that is stored behind the look', async () => {
    await start();
    await pass(AFTER_MS); // The scan is over.
    store.store('bob');
    store.remove('bob', 'purged');
    const { states } = store.notices;
    store.notices = {
      ...store.notices,
      states: async (mailboxes) => {
        const found = await states(mailboxes);
        if (store.tables.position === 1) store.store('bob');
        return found;
      },
    };
    await pass(AFTER_MS);
    await pass(AFTER_MS);
    expect(users()).toEqual(['bob']);
  });

  it('counts for a purge and a confirmation in one commit: the confirmation ends the spell', async () => {
    await start();
    for (let n = 0; n < 3; n += 1) store.store('bob');
    await pass(AFTER_MS);
    store.remove('bob', 'purged', 1);
    store.remove('bob', 'confirmed', 1);
    await quiet();
    await pass(AFTER_MS);
    expect(users()).toEqual(['bob', 'bob']);
  });
});

describe('a listener that fails', () => {
  it.each([
    ['rejects', () => Promise.reject(new Error('no network')), 0],
    [
      'throws',
      () => {
        throw new Error('no network');
      },
      0,
    ],
    ['is silent', () => new Promise(() => undefined), 30_000],
  ])('is called again after longer and longer pauses when it %s', async (_what, fail, ms) => {
    await start();
    answer = fail;
    store.store('bob');
    await pass(AFTER_MS);
    await pass(ms);
    for (const pauseMs of [1_000, 2_000, 4_000, 8_000]) {
      const before = told.length;
      await pass(pauseMs - 1);
      expect(told.length).toBe(before);
      await pass(1);
      expect(told.length).toBe(before + 1);
      await pass(ms);
    }
    answer = () => undefined;
    await pass(16_000);
    await pass(1_000_000);
    expect(told.length).toBe(6);
    expect(store.waiting).toEqual({ told: 1, failed: 5 });
  });

  it('is not called again when the user has confirmed everything', async () => {
    await start();
    answer = () => Promise.reject(new Error('no network'));
    store.store('bob');
    await pass(AFTER_MS);
    store.remove('bob', 'confirmed');
    await pass(1_000_000);
    expect(told.length).toBe(1);
  });

  it('does not have the others called again', async () => {
    const calls = { works: 0, fails: 0 };
    store = new FakeStore(new Tables(), clock);
    const listeners = [
      { title: 'works', call: () => (calls.works += 1) },
      { title: 'fails', call: () => ((calls.fails += 1) < 3 ? Promise.reject(new Error('no')) : null) },
    ];
    notifier = new WaitingNotifier(listeners, store, store, { clock, waitingAfterMs: AFTER_MS, drainMs: 5_000 });
    notifier.start();
    store.store('bob');
    for (const ms of [AFTER_MS, 1_000, 2_000, 100_000]) await pass(ms);
    expect(calls).toEqual({ works: 1, fails: 3 });
  });
});

describe('a store that fails', () => {
  it('has the user told when it can be read again, and noted when it can be written', async () => {
    await start();
    store.store('bob');
    store.fails = true;
    await pass(AFTER_MS + 5_000);
    expect(told).toEqual([]);
    store.fails = false;
    answer = () => void (store.fails = true);
    await pass(1_000);
    expect(users()).toEqual(['bob']);
    expect(store.tables.notices.size).toBe(0);
    store.fails = false;
    await pass(4_000);
    expect(store.tables.notices.size).toBe(1);
    await pass(1_000_000);
    expect(users()).toEqual(['bob']);
    expect(store.waiting).toEqual({ told: 1, failed: 0 });
  });
});

describe('a restart', () => {
  it('has those told for whom it was not done, when they had time to come back, and no others', async () => {
    await start();
    for (const user of ['bob', 'cat']) store.store(user);
    answer = ({ user }) => (user === 'cat' ? Promise.reject(new Error('no network')) : null);
    await pass(AFTER_MS);
    store.store('dan');
    await notifier.stop();
    told = [];
    answer = () => undefined;
    await start(store.tables);
    await pass(9_999);
    expect(told).toEqual([]);
    await pass(1);
    expect(users()).toEqual(['cat', 'dan']);
    await pass(1_000_000);
    expect(users()).toEqual(['cat', 'dan']);
  });

  it('has a user told of a new spell although the notice of the old one was left by a crash', async () => {
    await start();
    for (let n = 0; n < 2; n += 1) store.store('bob');
    await pass(AFTER_MS);
    await notifier.stop();
    store.remove('bob', 'confirmed', 1);
    await start(store.tables);
    await pass(AFTER_MS);
    expect(users()).toEqual(['bob', 'bob']);
  });

  it('deletes the notices of mailboxes that are empty', async () => {
    const tables = new Tables();
    for (let n = 0; n < 1_200; n += 1) tables.notices.set(mailboxKeyOf(`user-${n}`), 1);
    await start(tables);
    await pass(AFTER_MS);
    expect(tables.notices.size).toBe(0);
  });

  it('tells of as many as wait, eight at once, and keeps few of them in memory', async () => {
    const tables = new Tables();
    const before = new FakeStore(tables, clock);
    for (let n = 0; n < 3_000; n += 1) before.store(`user-${n}`);
    const done: (() => void)[] = [];
    let most = 0;
    answer = () => new Promise<void>((resolve) => done.push(resolve));
    await start(tables);
    await pass(AFTER_MS);
    expect(told.length).toBe(8);
    while (told.length < 3_000 || done.length > 0) {
      most = Math.max(most, notifier['spells'].size);
      done.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await quiet();
    expect(new Set(users()).size).toBe(3_000);
    expect(most).toBeLessThanOrEqual(508);
    expect(notifier['spells'].size).toBe(0);
  });
});

describe('what is told while the server stops', () => {
  it('is waited for, and noted', async () => {
    await start();
    let done = () => undefined as void;
    answer = () => new Promise<void>((resolve) => (done = resolve));
    store.store('bob');
    await pass(AFTER_MS);
    let isStopped = false;
    const stopping = notifier.stop().then(() => (isStopped = true));
    await quiet();
    expect(isStopped).toBe(false);
    done();
    await stopping;
    expect(store.tables.notices.size).toBe(1);
  });

  it('is left to the next start when it takes longer than half of drainMs', async () => {
    await start();
    answer = () => new Promise(() => undefined);
    store.store('bob');
    await pass(AFTER_MS);
    const stopping = notifier.stop();
    clock.advance(2_500);
    await stopping;
    expect(store.tables.notices.size).toBe(0);
    expect(clock.pendingAlarms).toBe(1); // The one that bounds the listener.
  });
});

describe('whatever happens', () => {
  it.each(Array.from({ length: 40 }, (_, seed) => seed))('every spell is told, and none twice [%d]', async (seed) => {
    const random = new Random(seed);
    await start();
    /** What a reader of the promise expects: whether the present spell of each user was told, and what puts it off. */
    const model = new Map<string, { isTold: boolean; confirmedAt: number }>();
    const of = (user: string) => {
      if (!model.has(user)) model.set(user, { isTold: false, confirmedAt: -Infinity });
      return model.get(user)!;
    };
    answer = ({ user }) => {
      if (random.between(1, 4) === 1) throw new Error('no network');
      const spell = of(user);
      const [oldest] = store.tables.of(user);
      expect([user, spell.isTold, clock.now() - oldest!.sentAt >= AFTER_MS]).toEqual([user, false, true]);
      expect(clock.now() - spell.confirmedAt).toBeGreaterThanOrEqual(AFTER_MS);
      spell.isTold = true;
    };
    for (let step = 0; step < 150; step += 1) {
      const user = `user-${random.between(1, 4)}`;
      const what = random.between(1, 12);
      const count = random.between(1, 3);
      const waits = store.tables.of(user).length;
      if (what <= 4) store.store(user);
      else if (what <= 6 && waits > 0) {
        store.remove(user, 'confirmed', count);
        Object.assign(of(user), { isTold: false, confirmedAt: clock.now() });
      } else if (what === 7 && waits > 0) {
        store.remove(user, random.pick(['purged', 'expired'] as const), count);
        if (count >= waits) of(user).isTold = false;
      } else if (what === 8 && waits > count) store.remove(user, random.pick(['evicted', 'replaced'] as const), count);
      else if (what === 9 && random.between(1, 4) === 1) {
        await notifier.stop();
        await start(store.tables);
      } else await pass(random.between(1, 6_000));
      await quiet();
    }
    answer = ({ user }) => void (of(user).isTold = true);
    for (let n = 0; n < 3; n += 1) await pass(600_000);
    for (const user of model.keys())
      expect([user, of(user).isTold || store.tables.of(user).length === 0]).toEqual([user, true]);
    expect([...store.tables.notices.keys()].toSorted()).toEqual([...store.tables.rows.keys()].toSorted());
    expect(notifier['spells'].size).toBe(0);
  });
});
