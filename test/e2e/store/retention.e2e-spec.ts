import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { ChatOptions } from '../../../src/options/chat.options.js';
import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { ManualClock } from '../../support/manual-clock.js';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const RETENTION_MS = 30 * DAY_MS;

let chat: ChatApp;
let clock: ManualClock;
beforeEach(() => {
  clock = new ManualClock();
});
afterEach(async () => {
  jest.restoreAllMocks();
  await chat.dispose();
});

const start = async (options: Partial<ChatOptions> = {}) =>
  (chat = await ChatApp.start({ clock, retentionMs: RETENTION_MS, ...options }));

async function leave(count: number): Promise<void> {
  const alice = await chat.connectJson('alice');
  for (let n = 0; n < count; n += 1) alice.sendJson('send', { to: 'carol', content: String(n) });
  await chat.untilPending('carol', count);
  await alice.close();
}

const pass = (ms: number) => chat.pass(clock, ms);

const untilExpired = (count: number) =>
  eventually(
    () => chat.delivery.totals.expired === count,
    () => `${count} expired; the totals are ${JSON.stringify(chat.delivery.totals)}`,
  );

it('ends what waited for as long as it may, by either clock', async () => {
  await start();
  await leave(3);
  await pass(RETENTION_MS - DAY_MS);
  expect(chat.delivery.totals).toMatchObject({ pending: 3, expired: 0 });
  await pass(2 * DAY_MS);
  await untilExpired(3);
});

it.each([
  ['from the past into the present', 50 * 365 * DAY_MS],
  ['by as much as messages may wait', RETENTION_MS],
  ['far ahead, by a fault', 73 * 365 * DAY_MS],
])('ends nothing that has waited for minutes when the clock is set %s', async (_how, jumpMs) => {
  clock.setBy(-jumpMs);
  await start();
  await leave(3);
  await pass(5 * MINUTE_MS);
  const warn = jest.spyOn(Logger.prototype, 'warn');
  clock.setBy(jumpMs);
  await pass(30 * MINUTE_MS);
  expect(chat.delivery.totals).toMatchObject({ pending: 3, expired: 0 });
  expect(warn.mock.calls.flat().filter((line) => /The clock was set forward by \d+ s/.test(String(line)))).toHaveLength(
    1,
  );
  chat = await chat.restart(); // A server that did not see the change.
  await pass(30 * MINUTE_MS);
  expect(chat.delivery.totals).toMatchObject({ pending: 3, expired: 0 });
  await pass(RETENTION_MS + 4 * DAY_MS);
  await untilExpired(3);
});

it('ends nothing by a clock that was ahead at the start and is set right within minutes', async () => {
  await start();
  await leave(3);
  const folder = await chat.stop();
  clock.setBy(73 * 365 * DAY_MS);
  chat = await ChatApp.start({ clock, retentionMs: RETENTION_MS }, folder);
  await pass(9 * MINUTE_MS);
  clock.setBy(-73 * 365 * DAY_MS);
  await pass(DAY_MS);
  expect(chat.delivery.totals).toMatchObject({ pending: 3, expired: 0 });
  await pass(RETENTION_MS + 4 * DAY_MS);
  await untilExpired(3);
});

it('does not wait for longer than messages may when a fault of the clock was mended between two runs', async () => {
  await start();
  await pass(11 * MINUTE_MS);
  clock.setBy(73 * 365 * DAY_MS);
  await pass(5 * MINUTE_MS); // From here on nothing would expire for 73 years.
  const folder = await chat.stop();
  clock.setBy(-73 * 365 * DAY_MS);
  chat = await ChatApp.start({ clock, retentionMs: RETENTION_MS }, folder);
  await leave(2);
  await pass(2 * RETENTION_MS);
  await untilExpired(2);
  expect(chat.delivery.totals.pending).toBe(0);
});

it('takes no slow drift of a clock, and no pause of the process, for a clock that was set', async () => {
  await start();
  await leave(1);
  const warn = jest.spyOn(Logger.prototype, 'warn');
  for (let hour = 0; hour < 30; hour += 1) {
    clock.setBy(3_000); // 0.8 s in a thousand.
    await pass(60 * MINUTE_MS);
  }
  clock.advance(20 * MINUTE_MS); // Nothing ran meanwhile.
  await pass(MINUTE_MS);
  expect(warn).not.toHaveBeenCalled();
  await pass(RETENTION_MS + 4 * DAY_MS);
  await untilExpired(1);
});
