import { jest } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { CLUSTER_NODE } from '../../../src/cluster/cluster.module.js';
import type { ClusterNode } from '../../../src/cluster/cluster-node.js';
import { ChatModule, ChatService, OnChatEvent, outgoingMigrations, type ChatEvents } from '../../../src/index.js';
import { slotOf, SLOTS } from '../../../src/offline-messages/slot.js';
import { OutgoingService } from '../../../src/outgoing/outgoing.service.js';
import { IN_MEMORY } from '../../../src/testing/index.js';
import { eventually } from '../../support/deadline.js';
import { HostApp } from '../../support/host-app.js';
import { PostgresServer } from '../../support/postgres-server.js';

jest.setTimeout(120_000);

const EVENTS = [
  'connected',
  'disconnected',
  'accepted',
  'stored',
  'waiting',
  'confirmed',
  'expired',
  'purged',
  'evicted',
  'replaced',
  'read',
  'erased',
  'refused',
] as const satisfies readonly (keyof ChatEvents)[];
const idOf = (event: ChatEvents[keyof ChatEvents]) => ('id' in event && !('protocol' in event) ? event.id : event.user);

/** Notes what it is told, as `event id`, or `event user`. */
@Injectable()
class Listener {
  readonly told: string[] = [];
}
for (const name of EVENTS) {
  const value = function (this: Listener, event: ChatEvents[typeof name]): void {
    this.told.push(`${name} ${idOf(event as ChatEvents[keyof ChatEvents])}`);
  };
  Object.defineProperty(Listener.prototype, name, { value });
  OnChatEvent(name)(Listener.prototype, name, { value });
}

describe('an event of a chat with three nodes', () => {
  let postgres: PostgresServer;
  let hosts: HostApp[] = [];
  beforeAll(async () => {
    postgres = await PostgresServer.start();
    const [database, own] = [await postgres.createDatabase(), await postgres.createDatabase()];
    for (let n = 0; n < 3; n += 1) {
      const migrated = { migrations: outgoingMigrations, migrationsRun: true, toRetry: () => false };
      const imports = [
        TypeOrmModule.forRoot({ type: 'postgres', url: own, ...migrated }),
        ChatModule.forRoot({
          ...IN_MEMORY,
          database,
          cluster: true,
          record: { keepMs: 3_600_000 },
          outgoing: {},
          maxPendingPerUser: 2,
          overflow: 'evict-oldest',
          heartbeatMs: 600_000,
        }),
      ];
      hosts.push(await HostApp.start({ imports, providers: [Listener] }));
    }
    const serves = (node: HostApp, share: number) =>
      viewOf(node).owners.filter((owner) => owner === idOfNode(node)).length >= share;
    await eventually(
      () => hosts.every((node) => serves(node, SLOTS / 3 - 1)),
      () => 'the nodes share the slots',
      60_000,
    );
  });
  afterAll(async () => {
    for (const host of hosts.splice(0)) await host.close();
    await postgres.dispose();
  });

  const membershipOf = ({ app }: HostApp) => app.get<ClusterNode>(CLUSTER_NODE, { strict: false }).membership;
  const viewOf = (node: HostApp) => membershipOf(node).view;
  const idOfNode = (node: HostApp) => membershipOf(node).self;
  const chatOf = ({ app }: HostApp) => app.get(ChatService, { strict: false });
  const told = () => hosts.map(({ app }) => app.get(Listener).told);
  /** Waits until these were told, and returns what each node has been told since the last call. */
  const next = async (...events: string[]) => {
    await eventually(
      () => events.every((event) => told().flat().includes(event)),
      () => `${events.join(', ')}; told were ${JSON.stringify(told())}`,
    );
    await new Promise((resolve) => setImmediate(resolve));
    return told().map((list) => list.splice(0).sort());
  };
  const userAt = (node: HostApp, name: string) => {
    for (let n = 0; ; n += 1) if (viewOf(node).owners[slotOf(`${name}${n}`)] === idOfNode(node)) return `${name}${n}`;
  };

  it('is told once: where the connection is, at the home of the recipient, or where it was asked for', async () => {
    const [one, two, three] = hosts as [HostApp, HostApp, HostApp];
    const [alice, bob] = [userAt(three, 'alice'), userAt(two, 'bob')];
    const sender = await one.connect(alice, { protocol: 'json' });
    expect(await next(`connected ${alice}`)).toEqual([[`connected ${alice}`], [], []]);

    sender.sendJson('send', { id: 'm1', to: bob, content: 'x', urgency: 'high' });
    expect(await next('accepted m1', 'stored m1', `waiting ${bob}`)).toEqual([
      [],
      ['accepted m1', 'stored m1', `waiting ${bob}`],
      [],
    ]);

    const reader = await three.connect(bob, { protocol: 'json' });
    const { data } = await reader.until('message');
    reader.sendJson('ack', { seq: data.seq });
    expect(await next('confirmed m1', `connected ${bob}`)).toEqual([[], ['confirmed m1'], [`connected ${bob}`]]);
    reader.sendJson('read', { with: alice, upTo: data.position! });
    expect(await next(`read ${bob}`)).toEqual([[], [], [`read ${bob}`]]);
    await reader.close();
    expect(await next(`disconnected ${bob}`)).toEqual([[], [], [`disconnected ${bob}`]]);

    sender.sendJson('send', { id: 'x1', to: bob, content: 'x', ttl: 1 });
    expect(await next('expired x1')).toEqual([[], ['accepted x1', 'expired x1', 'stored x1'], []]);
    for (const id of ['t1', 't2']) sender.sendJson('send', { id, to: bob, content: 'x', topic: 'weather' });
    expect((await next('replaced t1', 'stored t2'))[1]).toContain('replaced t1');
    for (const id of ['e1', 'e2']) sender.sendJson('send', { id, to: bob, content: 'x' });
    const evicted = await next('evicted t2', 'stored e2');
    expect(evicted).toEqual([[], ['accepted e1', 'accepted e2', 'evicted t2', 'stored e1', 'stored e2'], []]);

    expect(await chatOf(one).purge(bob, { from: alice, id: 'e1' })).toBe(1);
    expect(await next('purged e1')).toEqual([[], ['purged e1'], []]);
    expect(await chatOf(three).erase(bob, { authored: 'blank' })).toMatchObject({ done: true });
    expect(await next(`erased ${bob}`, 'purged e2')).toEqual([[], [`erased ${bob}`, 'purged e2'], []]);
  });

  it('that is `refused` is told once, on the node that sends the outgoing messages', async () => {
    const [, , three] = hosts as [HostApp, HostApp, HostApp];
    const { host } = three.app.get(OutgoingService, { strict: false })['source']!;
    await host!.query(
      `INSERT INTO holdfast_outgoing (sender, recipient, id, content) VALUES ('shop', 'bob', 'far', repeat('x', 100000))`,
    );
    const heard = await next('refused far');
    expect(heard.flat()).toEqual(['refused far']);
  });
});
