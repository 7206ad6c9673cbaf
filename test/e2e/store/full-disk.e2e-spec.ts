import { RecordService } from '../../../src/record/record.service.js';
import { OfflineMessageService } from '../../../src/offline-messages/offline-message.service.js';
import { ChatApp, type TestOptions } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { LockHolder } from '../../support/lock-holder.js';
import { SmallDisk } from '../../support/small-disk.js';

const UNCAPPED = { maxPendingPerUser: null, maxPendingBytesPerUser: null, maxPendingPerSender: null };

const permitted = SmallDisk.isPermitted();
if (!permitted)
  process.stderr.write('\n  *** NOT TESTED: a disk that is full, as no tmpfs can be mounted here (it takes root).\n\n');

it('can be tested where the tests have to be complete', () => {
  expect(permitted || process.env['CI'] !== 'true').toBe(true);
});

(permitted ? describe : describe.skip).each(['sqlite', 'better-sqlite3'] as const)(
  'a disk that is full, by %s',
  (driver) => {
    let disk: SmallDisk;
    let chat: ChatApp;
    let holder: LockHolder | null = null;
    let sent = 0;
    let options: TestOptions;

    async function start(mib: number, more: TestOptions = {}): Promise<void> {
      disk = await SmallDisk.mount(mib);
      options = { ...UNCAPPED, ...more };
      chat = await open();
      sent = 0;
    }

    const open = () => ChatApp.start(options, disk.folder, `${driver}:${disk.folder}/holdfast.sqlite`);
    const store = () => chat.app.get(OfflineMessageService);

    afterEach(async () => {
      await holder?.release();
      holder = null;
      await chat.stop();
      await disk.unmount();
    });

    /** Sends `perUser` messages to each of 10 users; returns how many have a receipt. */
    async function send(perUser: number, content: string): Promise<number> {
      let stored = 0;
      let answered = 0;
      for (let n = 0; n < 10 * perUser; n += 1) {
        chat.delivery.send(
          { from: 'alice', to: `user-${n % 10}`, content, id: `m${(sent += 1)}` },
          { onReceipt: () => ((stored += 1), (answered += 1)), onRefused: () => (answered += 1) },
        );
      }
      await eventually(
        () => answered === 10 * perUser,
        () => `${answered} of ${10 * perUser} are answered`,
      );
      return stored;
    }

    /** Sends until a message is refused; returns how many were accepted. */
    async function sendUntilFull(perUser: number, content: string): Promise<number> {
      for (let all = 0; ;) {
        const stored = await send(perUser, content);
        all += stored;
        if (stored === 0) return all;
      }
    }

    /** Each user connects and confirms what waits. */
    async function takeAll(): Promise<number> {
      const taken = await Promise.all(
        Array.from({ length: 10 }, async (_, n) => {
          const client = await chat.connectJson(`user-${n}`);
          const waiting = await chat.delivery.pendingOf(`user-${n}`);
          for (let count = 0; count < waiting; count += 1) {
            client.sendJson('ack', { seq: (await client.until('message')).data.seq });
          }
          return waiting;
        }),
      );
      return taken.reduce((sum, count) => sum + count, 0);
    }

    async function expectRecovered(): Promise<void> {
      await eventually(
        () => chat.delivery.totals.pending === 0,
        () => JSON.stringify(chat.delivery.totals),
        90_000,
      );
      await eventually(
        () => store().isHealthy,
        () => 'it is healthy',
      );
      expect((await chat.rest('GET', '/health/ready')).status).toBe(200);
      await chat.dropAll();
      expect(await send(1, 'x')).toBe(10);
      // And after a restart nothing comes a second time.
      await chat.stop();
      chat = await open();
      expect(chat.delivery.totals.pending).toBe(10);
    }

    it.each([
      [32, 100, 'x'.repeat(200)],
      [32, 10, 'x'.repeat(4_000)],
      [32, 2, 'x'.repeat(65_536)],
      [16, 100, 'x'.repeat(200)],
      [16, 2, 'x'.repeat(65_536)],
    ])(
      'of %p MiB takes messages while it can delete them again, and is well when they are delivered',
      async (mib, perUser, content) => {
        await start(mib);
        const stored = await sendUntilFull(perUser, content);
        expect(stored * (content.length + 250)).toBeGreaterThan((mib * 1024 * 1024) / 3);
        expect(store().isHealthy).toBe(false);
        expect((await chat.rest('GET', '/health/ready')).status).toBe(503);
        expect(await takeAll()).toBe(stored);
        await expectRecovered();
      },
    );

    it.each([
      ['little', 20, 'x'.repeat(200)],
      ['much', 1_000, 'x'.repeat(200)],
      ['what is long', 10, 'x'.repeat(65_536)],
    ])(
      'to the last byte, by somebody else, while %s waits: it is well when that is delivered',
      async (_what, perUser, content) => {
        await start(32);
        const stored = await send(perUser, content);
        expect(stored).toBe(10 * perUser);
        await disk.fill();
        expect(disk.free).toBe(0);
        const more = await sendUntilFull(1, content);
        const taken = await takeAll();
        expect(taken).toBe(stored + more);
        await eventually(
          () => chat.delivery.totals.pending === 0,
          () => JSON.stringify(chat.delivery.totals),
          90_000,
        );
        if (perUser === 20) await disk.empty(); // So little was freed that nothing new fits in.
        await expectRecovered();
      },
    );

    it('by messages and then to the last byte by somebody else: it is well when they are delivered', async () => {
      await start(16);
      const stored = await sendUntilFull(100, 'x'.repeat(200));
      await disk.fill();
      expect(await takeAll()).toBe(stored);
      await expectRecovered();
    });

    it.each([
      ['', false],
      [', and somebody else fills it: when there is room again, too', true],
    ])(
      'while another process reads in it%s: it is well when that has ended and they are delivered',
      async (_what, isFilled) => {
        await start(32);
        await send(10, 'x');
        holder = await LockHolder.start(
          `${disk.folder}/holdfast.sqlite`,
          'BEGIN',
          'SELECT * FROM holdfast_offline_message',
        );
        const stored = 100 + (await sendUntilFull(10, 'x'.repeat(4_000)));
        expect(await takeAll()).toBe(stored);
        if (isFilled) await disk.fill();
        await holder.release();
        holder = null;
        if (isFilled) await disk.empty(); // The ballast is smaller than what a log takes in the file.
        await expectRecovered();
      },
    );

    describe('while another process reads in it: it is well when that has ended,', () => {
      const content = 'x'.repeat(4_000);

      /** Some are refused as yet; what they ask for is done later. */
      const purge = (users: number) =>
        Promise.all(Array.from({ length: users }, (_, n) => chat.rest('DELETE', `/chat/pending/user-${n}`)));

      async function fill(more: TestOptions = {}): Promise<void> {
        await start(32, more);
        await send(10, 'x');
        holder = await LockHolder.start(
          `${disk.folder}/holdfast.sqlite`,
          'BEGIN',
          'SELECT * FROM holdfast_offline_message',
        );
        await sendUntilFull(10, content);
      }

      /** Deletes, and stores again in its place, until the log has taken all that it may. */
      async function useUp(): Promise<void> {
        for (let n = 0; n < 4; n += 1) {
          await purge(5);
          await sendUntilFull(10, content);
        }
        await purge(10);
      }

      async function expectRecoveredFromAll(): Promise<void> {
        await holder!.release();
        holder = null;
        await expectRecovered();
      }

      it('however much is deleted at once', async () => {
        await fill();
        await purge(10);
        await expectRecoveredFromAll();
      });

      it('however often something is deleted, and stored again in its place', async () => {
        await fill();
        await useUp();
        await expectRecoveredFromAll();
      });

      it('however much of the record is too old', async () => {
        await fill({ record: { keepMs: 86_400_000 } });
        await useUp();
        const sweep = () => chat.app.get(RecordService)['sweep']!.sweep(Date.now() + 1_000);
        await expect(sweep()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
        await expectRecoveredFromAll();
        await sweep();
      });
    });
  },
);
