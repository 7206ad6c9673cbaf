import { jest } from '@jest/globals';
import { OfflineMessageService } from '../../../src/offline-messages/offline-message.service.js';
import type { AskedMark } from '../../../src/offline-messages/pending-marks.js';
import { RecordRows } from '../../../src/offline-messages/record-rows.js';
import type { StoreAccess } from '../../../src/offline-messages/store-access.js';
import type { Message } from '../../../src/protocol/message.js';
import { positionOf, positionText } from '../../../src/protocol/position.js';
import { RecordService } from '../../../src/record/record.service.js';
import type { ChatApp } from '../../support/chat-app.js';
import { ChatCluster } from '../../support/chat-cluster.js';
import { PostgresServer } from '../../support/postgres-server.js';
import type { TestClient } from '../../support/test-client.js';

jest.setTimeout(120_000);

const DAY_MS = 24 * 3_600_000;
const FIRST = { limit: 50 };

let postgres: PostgresServer;
let cluster: ChatCluster;
beforeAll(async () => {
  postgres = await PostgresServer.start();
  cluster = new ChatCluster(await postgres.createDatabase(), null, {
    heartbeatMs: 600_000,
    persistAfterMs: 2_000, // A confirmation that comes late still makes a message `delivered`.
    record: { keepMs: DAY_MS },
    sessions: 'multiple',
  });
  await cluster.start(2);
});
afterAll(async () => {
  await cluster.dispose();
  await postgres.dispose();
});

const nodes = () => cluster.nodes as [ChatApp, ChatApp];
const recordAt = (node: ChatApp) => node.app.get(RecordService);

/** Two users, whose homes are the two nodes. Each is connected to the node that is the home of the other. */
async function pair(name: string) {
  const [one, two] = nodes();
  const [ann, bob] = [cluster.userAt(one, `ann-${name}-`), cluster.userAt(two, `bob-${name}-`)];
  const [annsClient, bobsClient] = [await two.connectJson(ann), await one.connectJson(bob)];
  await Promise.all([annsClient.nextJson('caught-up'), bobsClient.nextJson('caught-up')]);
  return { ann, bob, annsClient, bobsClient };
}

/** Sends a message that its reader acknowledges; returns its position, and that of what the reader got. */
async function say(from: TestClient, to: string, id: string, reader: TestClient) {
  from.sendJson('send', { to, content: id, id });
  const { data } = await reader.until('message');
  reader.sendJson('ack', { seq: data.seq });
  const receipts = await from.until('receipts');
  expect(receipts.data).toMatchObject([{ id, status: 'delivered', position: data.position }]);
  return positionOf(data.position)!;
}

describe('a record of two nodes', () => {
  it('has a reply behind what it replies to, also when the clock of its home is behind', async () => {
    const { ann, bob, annsClient, bobsClient } = await pair('reply');
    const [one, two] = nodes();
    const clockOf = (node: ChatApp) => node.delivery.recording!.clock;
    const now = () => cluster.nodeOf(one).membership.databaseNow().at;
    clockOf(two).follow(() => now() + 5_000);
    const said = await say(annsClient, bob, 'm1', bobsClient);
    const replied = await say(bobsClient, ann, 'm2', annsClient);
    expect(replied).toBeGreaterThan(said);
    const again = await say(annsClient, bob, 'm3', bobsClient);
    expect(again).toBeGreaterThan(replied);
    clockOf(two).follow(now);
    const { items } = await recordAt(one).history(ann, { with: bob, ...FIRST });
    expect(items.map(({ id }) => id)).toEqual(['m1', 'm2', 'm3']);
    expect(await recordAt(two).history(bob, { with: ann, ...FIRST })).toMatchObject({ items });
  });

  it('never passes over a message that is committed after a later one was synced', async () => {
    const { ann, bob, annsClient, bobsClient } = await pair('sync');
    const [one, two] = nodes();
    const before = await recordAt(one).sync(ann, FIRST);
    // The home of Bob has drawn its numbers, and stands still before it commits.
    const { begun, release } = pauseCommit(two);
    annsClient.sendJson('send', { to: bob, content: 'x', id: 'paused' });
    await begun;
    bobsClient.sendJson('send', { to: ann, content: 'x', id: 'meanwhile' });
    await annsClient.until('message');
    annsClient.sendJson('ack', { seq: 1 });
    const during = await recordAt(one).sync(ann, { after: before.after, ...FIRST });
    release();
    await Promise.all([
      annsClient.until('receipts'),
      bobsClient.until('message').then(() => bobsClient.until('receipts')),
    ]);
    const after = await recordAt(one).sync(ann, { after: during.after, ...FIRST });
    const synced = [...during.items, ...after.items].map(({ id }) => id);
    expect(new Set(synced)).toEqual(new Set(['paused', 'meanwhile']));
    expect(synced).toHaveLength(2);
    const { items } = await recordAt(two).history(bob, { with: ann, ...FIRST });
    expect(new Set(items.map(({ id }) => id))).toEqual(new Set(synced));
  });

  it('lets no two homes wait for each other, each with a mark in a conversation that the other writes to', async () => {
    const [one, two] = nodes();
    const [first, second] = [await pair('lock-1'), await pair('lock-2')];
    const said = [
      await say(first.annsClient, first.bob, 'm1', first.bobsClient),
      await say(second.annsClient, second.bob, 'm1', second.bobsClient),
    ] as const;
    await commitBoth(
      [one, messageOf(first, said[0]), readOf(second, said[1])],
      [two, messageOf(second, said[1]), readOf(first, said[0])],
    );
    for (const { ann, bob } of [first, second]) {
      const { items } = await recordAt(one).history(ann, { with: bob, ...FIRST });
      expect(items.map(({ id }) => id)).toEqual(['m1', 'm2']);
      expect((await recordAt(two).conversations(ann, FIRST)).items).toMatchObject([
        { peer: { read: expect.any(Number) } },
      ]);
    }
  });

  it('locks the members of a commit in one order, whatever comes first in it', async () => {
    const { access } = nodes()[0].app.get(OfflineMessageService);
    const { dialect } = access.statements;
    const locked: string[][] = [];
    const query = (_sql: string, [members]: readonly unknown[]) => {
      locked.push((JSON.parse(members as string) as string[][]).map(([place, user]) => `${place}\n${user}`));
      return Promise.resolve({ records: [], affected: 0 });
    };
    const rows = new RecordRows({ dialect, query } as unknown as StoreAccess['statements'], access.fence);
    const [one, two] = ['1', '2'].map((n) => ({ ann: `ann-${n}`, bob: `bob-${n}` }));
    await rows.lock([messageOf(two!, 2)], [readOf(one!, 2)]);
    await rows.lock([messageOf(one!, 2)], [readOf(two!, 2)]);
    expect(locked.map((members) => members.length)).toEqual([3, 3]);
    for (const members of locked) expect(members).toEqual([...members].sort());
  });

  it('gives the marks of both sides to whichever node is asked', async () => {
    const { ann, bob, annsClient, bobsClient } = await pair('marks');
    const [one, two] = nodes();
    const said = await say(annsClient, bob, 'm1', bobsClient);
    await recordAt(one).markRead(bob, ann, said);
    await two.delivery.flush();
    for (const node of [one, two]) {
      expect((await recordAt(node).conversations(ann, FIRST)).items).toMatchObject([
        { with: bob, peer: { delivered: said, read: said } },
      ]);
    }
  });

  it('tells echoes and marks to the connections of both sides, at whichever node they are', async () => {
    const { ann, bob, annsClient, bobsClient } = await pair('news');
    const [one, two] = nodes();
    const others = [await one.connectJson(ann), await two.connectJson(ann)];
    for (const other of others) await other.until('caught-up');
    const heard: string[] = [];
    annsClient.listen((frame) => heard.push(frame));
    const said = positionText(await say(annsClient, bob, 'm1', bobsClient));
    for (const other of others) {
      expect((await other.until('message')).data).toMatchObject({ id: 'm1', to: bob, echo: true, position: said });
    }
    bobsClient.sendJson('read', { with: ann, upTo: said });
    for (const client of [annsClient, ...others]) {
      let mark = (await client.until('mark')).data;
      if (mark.delivered !== undefined) mark = (await client.until('mark')).data;
      expect(mark).toEqual({ with: bob, user: bob, read: said });
    }
    expect(heard.filter((frame) => frame.includes('"echo"'))).toEqual([]);
  });

  it('refuses a node that does not record alike', async () => {
    const other = new ChatCluster(cluster['databaseUrl'], null, { record: null, sessions: 'multiple' });
    await expect(other.startOne()).rejects.toThrow(/This node records nothing, and others of the cluster do not/);
  });
});

/** Holds the next transaction of a node's store up before it is committed. */
function pauseCommit(node: ChatApp): { begun: Promise<void>; release: () => void } {
  const { statements } = node.app.get(OfflineMessageService).access;
  let release = () => undefined as void;
  const released = new Promise<void>((resolve) => (release = resolve));
  let begin = () => undefined as void;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const together = statements.together.bind(statements);
  statements.together = (work) =>
    together(async () => {
      const result = await work();
      statements.together = together;
      begin();
      await released;
      return result;
    });
  return { begun, release };
}

type Users = Pick<Awaited<ReturnType<typeof pair>>, 'ann' | 'bob'>;
type Commit = readonly [node: ChatApp, message: Message, mark: AskedMark];

const messageOf = ({ ann, bob }: Users, after: number): Message => ({
  id: 'm2',
  from: ann,
  to: bob,
  content: 'x',
  sentAt: 1,
  extras: { position: after + 2 },
});

const readOf = ({ ann, bob }: Users, upTo: number): AskedMark => ({
  user: bob,
  peer: ann,
  delivered: null,
  read: upTo,
});

/** Commits a message and a mark at each of two nodes; the first moves its mark when the other has begun to write. */
async function commitBoth(first: Commit, second: Commit): Promise<void> {
  let begin = () => undefined as void;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  let hasWritten = false;
  await Promise.all([
    commit(first, async (statements) => {
      begin();
      for (let waiting = 0; !hasWritten && waiting === 0;) {
        const { records } = await statements.query<{ count: number }>(
          'SELECT COUNT(*) AS count FROM pg_locks WHERE NOT granted',
          [],
        );
        waiting = records[0]!.count;
      }
    }),
    begun.then(() => commit(second, () => void (hasWritten = true))),
  ]);
}

function commit(
  [node, message, mark]: Commit,
  onWritten: (statements: StoreAccess['statements']) => Promise<void> | void,
): Promise<unknown> {
  const { access } = node.app.get(OfflineMessageService);
  const { statements, fence } = access;
  const rows = new RecordRows(statements, fence);
  return access.inTurn(() =>
    rows.together(async () => {
      await rows.insert([message], [mark]);
      await onWritten(statements);
      expect(await rows.move([mark])).toHaveLength(1);
    }),
  );
}
