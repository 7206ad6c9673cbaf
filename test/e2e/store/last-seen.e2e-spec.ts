import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { OfflineMessageService } from '../../../src/offline-messages/offline-message.service.js';
import { ChatApp } from '../../support/chat-app.js';
import { DATABASE_KINDS } from '../../support/databases.js';
import { ManualClock } from '../../support/manual-clock.js';
import { interceptStatements } from '../../support/statements.js';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const WRITES = /INSERT INTO holdfast_last_seen/;

describe.each(DATABASE_KINDS)('when a user was last seen, on %s', (_name, makeKind) => {
  const kind = makeKind();
  let clock: ManualClock;
  let chat: ChatApp;
  beforeEach(async () => {
    clock = new ManualClock();
    chat = await ChatApp.start({ clock, retentionMs: 30 * DAY_MS }, undefined, await kind.create());
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await chat.dispose();
  });
  afterAll(() => kind.dispose());

  const store = () => chat.app.get(OfflineMessageService);
  const seen = (user: string) => chat.delivery.lastSeenOf(user);
  const dataSource = () => chat.app.get<DataSource>(getDataSourceToken('holdfast'));
  /** What a process that starts now would know. */
  const saved = async () => {
    await store().flush();
    const rows = (await dataSource().query('SELECT name FROM holdfast_last_seen ORDER BY name')) as { name: string }[];
    return rows.map(({ name }) => name);
  };
  async function leave(user: string): Promise<void> {
    await (await chat.connectJson(user)).close();
    await chat.untilOffline(user);
  }

  it('is kept over a restart, and never goes back', async () => {
    await leave('bob');
    const left = clock.now();
    await chat.connectJson('carol'); // The end of the server ends it.
    expect(await seen('bob')).toBe(left);
    chat = await chat.restart();
    expect([await seen('bob'), await seen('carol'), await seen('dave')]).toEqual([left, left, null]);
    store().lastSeen.note('bob', left - 1); // A connection that was silent for longer.
    expect(await seen('bob')).toBe(left);
    chat = await chat.restart();
    expect(await seen('bob')).toBe(left);
  });

  it('is written once a minute, in one statement for all who have left, so that a kill loses a minute at most', async () => {
    const statements = chat.watchStatements();
    for (const user of ['carol', 'bob', 'alice', 'bob']) await leave(user);
    clock.advance(MINUTE_MS - 1);
    expect(await saved()).toEqual([]);
    clock.advance(1);
    expect(await saved()).toEqual(['alice', 'bob', 'carol']);
    expect(statements.filter((sql) => WRITES.test(sql))).toHaveLength(1);
    clock.advance(MINUTE_MS); // Nobody has left: no timer, no statement but those of the sweep.
    await leave('dave');
    expect(await saved()).toEqual(['alice', 'bob', 'carol']);
    expect(statements.filter((sql) => WRITES.test(sql))).toHaveLength(1);
    expect(await seen('dave')).toBe(clock.now());
  });

  it('is forgotten when nothing came for retentionMs', async () => {
    const { lastSeen } = store();
    const now = clock.now();
    for (let n = 0; n < 2_500; n += 1) lastSeen.note(`user-${n}`, now - (n % 2));
    await lastSeen.close(() => true);
    expect(await saved()).toHaveLength(2_500);
    await store().expire(now);
    expect(await saved()).toHaveLength(1_250);
    expect([await seen('user-0'), await seen('user-1')]).toEqual([now, null]);
  });

  it('waits in memory while it cannot be written, and the store goes on', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    let refuses = true;
    interceptStatements(dataSource(), (sql, run) => {
      if (refuses && WRITES.test(sql)) return Promise.reject(Object.assign(new Error('full'), { code: 'SQLITE_FULL' }));
      return run();
    });
    const { lastSeen } = store();
    for (let n = 0; n < 1_500; n += 1) lastSeen.note(`user-${n}`, clock.now());
    await store().flush();
    expect([store().isHealthy, await seen('user-7')]).toEqual([true, clock.now()]);
    expect(warn.mock.calls).toEqual([[expect.stringContaining("can't be written; the next try is in a minute")]]);
    refuses = false;
    clock.advance(MINUTE_MS);
    await lastSeen['saving'];
    expect(await saved()).toHaveLength(1_500);
  });
});
