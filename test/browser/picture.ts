import { jest } from '@jest/globals';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Reader } from './reader.js';
import type { Stage } from './stage.js';

const PICTURE = fileURLToPath(new URL('../../docs/images/chat.png', import.meta.url));
const ALBUM = join(tmpdir(), 'page-shots');

/**
 * Plays a conversation as it might be. Its picture goes to docs/images; others, to look at, to the temporary folder.
 */
export async function takePictures(stage: Stage): Promise<string | null> {
  // Only the date stands still, so that the picture says the same each time it is taken.
  const timers = ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate'];
  const doNotFake = [...timers, 'nextTick', 'queueMicrotask', 'performance', 'hrtime'] as never;
  jest.useFakeTimers({ doNotFake, now: Date.parse('2026-11-23T09:12:00Z') });
  mkdirSync(ALBUM, { recursive: true });
  try {
    const ada = await converse(stage);
    await ada.page.screenshot({ path: PICTURE });
    await takeAll(ada, 'conversation');
    await ada.button('Frames').click();
    await takeAll(ada, 'frames');
    await ada.page.locator('#frames-close').click();
    await takeOthers(stage, ada);
    await ada.untilStatus('online as Ada');
    return await ada.status.textContent();
  } finally {
    jest.useRealTimers();
  }
}

async function converse(stage: Stage): Promise<Reader> {
  const maren = await stage.arrive('Maren');
  const jonas = await stage.arrive('Jonas');
  await maren.write('Ada', 'The forecast has changed: gale from the west after noon.');
  await maren.sees('gale from the west', 'stored');
  jest.setSystemTime(Date.parse('2026-11-23T09:14:00Z'));
  await jonas.write('Ada', 'Bring the long fenders when you come, please.');
  await jonas.write('Ada', 'And the berth plan: https://harbour.example/berths?pier=4');
  await jonas.sees('berth plan', 'stored');
  jest.setSystemTime(Date.parse('2026-11-23T10:03:00Z'));
  const ada = await stage.open('Ada', { viewport: { width: 1_000, height: 640 }, deviceScaleFactor: 2 });
  await ada.page.clock.setFixedTime('2026-11-23T10:03:00Z');
  await ada.page.goto(stage.site.origin);
  await ada.connect();
  await ada.person('Jonas').filter({ hasText: '2 unread messages' }).waitFor();
  await ada.write('Piet', 'Can you leave your berth to us until tomorrow?');
  await ada.sees('your berth', 'stored');
  await maren.write(null, 'All boats: the lock closes at eleven today.');
  await ada.person(null).filter({ hasText: 'the lock closes' }).waitFor();
  await ada.opens('Jonas');
  await ada.sees('long fenders', 'waited');
  await ada.write('Jonas', 'Just back on shore. Fenders are in the car, ten minutes.');
  await ada.sees('ten minutes', 'delivered');
  jest.setSystemTime(Date.parse('2026-11-23T10:05:00Z'));
  await ada.page.clock.setFixedTime('2026-11-23T10:05:00Z');
  await jonas.write('Ada', 'Thank you! We are at the fuel dock. ⛽');
  await ada.sees('fuel dock');
  await jonas.disconnect();
  await ada.write('Jonas', 'On my way 🚗');
  await ada.sees('On my way', 'stored');
  return ada;
}

const SIZES = { desktop: { width: 1_280, height: 800 }, phone: { width: 390, height: 844 } };

/** One picture for each size and colour scheme. */
async function takeAll({ page }: Reader, name: string): Promise<void> {
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(ALBUM, `${name}-${size}-${colorScheme}.png`) });
    }
  }
  await page.setViewportSize(SIZES.desktop);
  await page.emulateMedia({ colorScheme: 'light' });
}

async function takeOthers(stage: Stage, ada: Reader): Promise<void> {
  const nobody = await stage.open('nobody');
  await nobody.page.goto(stage.site.origin);
  await nobody.page.getByLabel('Your name').fill('a\u200bb');
  await nobody.button('Connect').click();
  await takeAll(nobody, 'join');
  const rtl = await stage.open('علی‌رضا');
  await rtl.page.goto(stage.site.origin);
  await rtl.connect();
  await rtl.untilStatus('online');
  await rtl.write('مريم', 'مرحبا! كيف حالك اليوم؟ 👋🏽 https://example.com/قارب');
  await rtl.write('مريم', 'שלום, and mixed: abc 123 — ok? 👨‍👩‍👧 🏳️‍🌈 ⛵️');
  await rtl.sees('שלום', 'stored');
  await takeAll(rtl, 'rtl');
  const rows = Array.from({ length: 500 }, (_, number) => ({
    from: ['Ada', 'Piet', 'Maren'][Math.floor(number / 4) % 3],
    to: 'Lotte',
    content: number % 7 === 0 ? `A longer one, number ${number}. ${'Wind and waves. '.repeat(9)}` : `Message ${number}`,
  }));
  for (const row of rows) {
    const headers = { 'Content-Type': 'application/json' };
    await fetch(`${stage.site.origin}/chat/messages`, { method: 'POST', headers, body: JSON.stringify(row) });
  }
  const lotte = await stage.open('Lotte');
  await lotte.page.goto(stage.site.origin);
  await lotte.connect();
  await lotte.person('Piet').filter({ hasText: 'Message 499' }).waitFor({ timeout: 60_000 });
  await lotte.opens('Ada');
  await takeAll(lotte, 'many');
  await lotte.write('Ada', `${'https://example.com/'}${'a'.repeat(400)}`);
  await lotte.write('Ada', 'line\n'.repeat(60));
  await lotte.sees('line', 'delivered');
  await takeAll(lotte, 'long');
  if (!(await lotte.button('Sign out').isVisible())) await lotte.button('Menu').click();
  await lotte.button('Sign out').click();
  await takeAll(lotte, 'leave');
  await lotte.button('Stay').click();
  const startAgain = await stage.site.stop();
  await ada.page.locator('#countdown').filter({ hasText: 'trying again' }).waitFor();
  await ada.write('Jonas', 'Are you there?');
  await ada.sees('Are you there?', 'waits');
  await takeAll(ada, 'offline');
  await startAgain();
}
