import { DataSource } from 'typeorm';
import { slotOf } from '../../src/offline-messages/slot.js';
import { Cluster } from '../support/cluster.js';
import { eventually } from '../support/deadline.js';
import { fillRecord } from '../support/record-filler.js';

const MESSAGES = 10_000;
/** Each message takes 2 ms, so that the erasure is under way for many seconds, however late the node is killed. */
const SLOW = [
  `CREATE FUNCTION slow() RETURNS trigger AS 'BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END' LANGUAGE plpgsql`,
  'CREATE TRIGGER slow BEFORE UPDATE ON holdfast_record FOR EACH ROW EXECUTE FUNCTION slow()',
];

describe('a user who is being erased when a node is killed', () => {
  let cluster: Cluster | undefined;
  let database: DataSource | undefined;
  afterEach(async () => {
    await database?.destroy();
    await cluster?.dispose();
  });

  it.each(['home of the user', 'node that was asked'])(
    'is erased by those that are left, whether it was the %s',
    async (dies) => {
      cluster = await Cluster.start({ nodes: 3, env: { CHAT_RECORD_MS: '3600000' } });
      await cluster.heal();
      database = await new DataSource({ type: 'postgres', url: cluster.databaseUrl }).initialize();
      await fillRecord(database, 'mia', 'bob', MESSAGES);
      for (const statement of SLOW) await database.query(statement);
      const home = await homeOf('mia');
      const asked = cluster.nodes.find((node) => node !== home)!;
      const answer = fetch(`${asked.url}/chat/users/mia?authored=blank`, { method: 'DELETE' }).then(
        (response) => response.status,
        () => null,
      );
      await eventually(async () => (await count(`holdfast_record WHERE content = ''`)) > 0);
      await (dies === 'home of the user' ? home : asked).kill();
      expect(await count('holdfast_erasure')).toBe(1);
      expect(await count(`holdfast_record WHERE sender = 'mia'`)).toBeGreaterThan(0);
      await database.query('DROP TRIGGER slow ON holdfast_record');

      // The others take over within some seconds.
      const isDone = async () => (await count('holdfast_erasure')) === 0;
      await eventually(isDone, () => cluster!.logs, 30_000);
      expect(await count(`holdfast_record WHERE sender = 'mia' OR content <> ''`)).toBe(0);
      expect(await count(`holdfast_record WHERE sender LIKE 'erased|%' AND recipient = 'bob'`)).toBe(MESSAGES);
      if (dies === 'home of the user') expect([200, 202]).toContain(await answer);
      else expect(await answer).toBeNull();
    },
  );

  /** How many rows of a table meet a condition. */
  async function count(rows: string): Promise<number> {
    const [row] = await database!.query<{ count: string }[]>(`SELECT COUNT(*) AS count FROM ${rows}`);
    return Number(row!.count);
  }

  /** The node that has the slot of a user. Ids rise in the order of the starts. */
  async function homeOf(user: string) {
    const ids = await database!.query<{ id: string }[]>('SELECT id FROM holdfast_node ORDER BY id');
    const [slot] = await database!.query<{ node: string }[]>(
      `SELECT node FROM holdfast_slot WHERE slot = ${slotOf(user)}`,
    );
    return cluster!.nodes[ids.findIndex(({ id }) => id === slot!.node)]!;
  }
});
