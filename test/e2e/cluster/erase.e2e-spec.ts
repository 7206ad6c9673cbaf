import { jest } from '@jest/globals';
import { RecordService } from '../../../src/record/record.service.js';
import type { ChatApp } from '../../support/chat-app.js';
import { ChatCluster } from '../../support/chat-cluster.js';
import { PostgresServer } from '../../support/postgres-server.js';

jest.setTimeout(120_000);

const RECORD = { keepMs: 3_600_000, maxPerConversation: null, conversationsPerDay: null };

describe('a user of three nodes who is erased', () => {
  let postgres: PostgresServer;
  let cluster: ChatCluster;
  beforeAll(async () => {
    postgres = await PostgresServer.start();
    cluster = new ChatCluster(await postgres.createDatabase(), null, { heartbeatMs: 600_000, record: RECORD });
    await cluster.start(3);
  });
  afterAll(async () => {
    await cluster.dispose();
    await postgres.dispose();
  });

  const each = () => cluster.nodes as [ChatApp, ChatApp, ChatApp];
  const expectBalanced = () => {
    for (const node of each()) node.expectBalanced();
  };

  it('is gone at every home, whichever node is asked', async () => {
    const [one, two, three] = each();
    const mia = cluster.userAt(two, 'mia');
    const away = each().map((home) => cluster.userAt(home, 'away'));
    const ray = cluster.userAt(one, 'ray');
    const reader = await three.connectJson(ray);
    const own = await one.connectJson(mia);
    for (const to of [...away, ray]) own.sendJson('send', { to, content: 'from mia' });
    for (let left = away.length; left > 0;) left -= (await own.until('receipts')).data.length;
    expect((await reader.until('message')).data).toMatchObject({ content: 'from mia' });
    reader.sendJson('send', { to: mia, content: 'to mia' });
    expect((await own.until('message')).data).toMatchObject({ content: 'to mia' });

    // Both messages that are in flight are removed, too.
    const { status, body } = await three.rest('DELETE', `/chat/users/${mia}?authored=blank`);
    expect({ status, body }).toEqual({ status: 200, body: { done: true, purged: away.length + 2, recorded: 5 } });
    expect(await own.expectClose(4403)).toMatchObject({ code: 4403 });
    for (const to of [...away, mia]) expect(await two.delivery.pendingOf(to)).toBe(0);
    const { items } = await one.app.get(RecordService).conversations(ray, { limit: 10 });
    expect(items).toMatchObject([{ with: expect.stringMatching(/^erased\|/), last: { content: 'to mia' } }]);
    expectBalanced();
  });

  it('loses no count when others write to the name meanwhile', async () => {
    const [one, two, three] = each();
    const ann = cluster.userAt(three, 'ann');
    const bob = await one.connectJson(cluster.userAt(one, 'bob'));
    const before = sum('accepted');
    const beforePurged = sum('purged');
    let sent = 0;
    let isDone = false;
    const erased = two.rest('DELETE', `/chat/users/${ann}?authored=keep`).finally(() => (isDone = true));
    while (!isDone) {
      bob.sendJson('send', { to: ann, content: `${(sent += 1)}` });
      await bob.until('receipts');
    }
    expect((await erased).body).toMatchObject({ done: true });
    expect(sum('accepted') - before).toBe(sent);
    expect(await three.delivery.pendingOf(ann)).toBe(sent - (sum('purged') - beforePurged));
    expectBalanced();
  });

  const sum = (name: 'accepted' | 'purged') => each().reduce((total, { delivery }) => total + delivery.totals[name], 0);
});
