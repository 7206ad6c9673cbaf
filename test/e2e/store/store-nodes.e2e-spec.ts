import { Logger } from '@nestjs/common';
import { DataSource, type QueryRunner } from 'typeorm';
import { jest } from '@jest/globals';
import { prepareForNodes, refusePooler } from '../../../src/database/cluster-tables.js';
import { sessionLockSql } from '../../../src/database/postgres-session.js';
import { nodeSessionOptions } from '../../../src/database/postgres-store.js';
import { openStore } from '../../../src/database/store-data-source.js';
import { storeOptions } from '../../../src/database/store-options.js';
import { mailboxKeyOf } from '../../../src/delivery/mailbox-store.js';
import type { Fence } from '../../../src/offline-messages/fence.js';
import { NodeOwnership } from '../../../src/offline-messages/node-ownership.js';
import { OfflineMessageTable } from '../../../src/offline-messages/offline-message.table.js';
import { SLOTS, slotOf, slotSql } from '../../../src/offline-messages/slot.js';
import { Statements } from '../../../src/offline-messages/statements.js';
import { eventually } from '../../support/deadline.js';
import { PostgresProxy } from '../../support/postgres-proxy.js';
import { PostgresServer } from '../../support/postgres-server.js';
import { Outside, StoreUnderTest } from '../../support/store-node.js';

const ALL = Array.from({ length: SLOTS }, (_, slot) => slot);

let server: PostgresServer;
let url: string;
let outside: Outside;
let stores: StoreUnderTest[];
beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server.dispose());
beforeEach(async () => {
  url = await server.createDatabase();
  [outside, stores] = [await Outside.connect(url), []];
});
afterEach(async () => {
  for (const store of stores) await store.close();
  await outside.close();
});

async function open(isNode = true, options = {}): Promise<StoreUnderTest> {
  const store = await StoreUnderTest.open(url, isNode, options);
  stores.push(store);
  return store;
}

/** A node that has joined, with its id. */
async function member(options = {}): Promise<{ store: StoreUnderTest; id: number }> {
  const store = await open(true, options);
  const id = await outside.addNode();
  await store.node.join(id);
  return { store, id };
}

const close = (store: StoreUnderTest) => stores.splice(stores.indexOf(store), 1)[0]!.close();
const reasonOf = (work: Promise<unknown>) =>
  work.then(
    () => 'none',
    (error: Error) => error.message,
  );
const hasIndex = async () => {
  const [row] = await outside.connection.query(`SELECT to_regclass('holdfast_offline_message_slot') AS name`);
  return row.name !== null;
};

describe('the database of a cluster', () => {
  it('is opened by two nodes at once, which make tables and index once', async () => {
    await Promise.all([open(), open()]);
    const [row] = await outside.connection.query('SELECT COUNT(*)::int AS count FROM holdfast_slot');
    expect(row.count).toBe(SLOTS);
    expect(await hasIndex()).toBe(true);
  });

  it('has the slots of users that the nodes reckon with', async () => {
    const users = ['alice', 'bob', 'Zoë', '日本', '👩‍👩‍👧', 'x'.repeat(128)];
    for (const user of users) {
      const [row] = await outside.connection.query(`SELECT ${slotSql('$1::text')} AS slot`, [user]);
      expect(row.slot).toBe(slotOf(user));
    }
  });

  it('is not on SQLite', async () => {
    expect(await reasonOf(openStore(storeOptions('better-sqlite3::memory:'), { id: null }))).toMatch(
      /^A cluster needs Postgres, and the database is SQLite; give an address of Postgres/,
    );
  });

  it('is no single server’s as long as a node uses it, and the other way round', async () => {
    const node = await open();
    expect(await reasonOf(open(false))).toBe(
      'Nodes of a cluster use this database; stop them, or start this server as one of them (CHAT_CLUSTER=1).',
    );
    await close(node);
    const single = await open(false);
    expect(await reasonOf(open())).toBe(
      'A server that is not a node of a cluster uses this database; stop it, or start it as a node too (CHAT_CLUSTER=1).',
    );
    await close(single);
    await open();
  });

  it('is refused behind a pooler that gives two connections one session', async () => {
    const { dataSource } = await open();
    expect(await reasonOf(refusePooler(dataSource, dataSource))).toMatch(/^Between this node and Postgres is a pooler/);
  });

  it('is refused when Postgres can’t compute MD5, as in FIPS mode', async () => {
    await outside.connection.query(
      `CREATE FUNCTION md5(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'could not compute MD5 hash: unsupported'; END $$;
       DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$`,
    );
    expect(await reasonOf(open())).toBe(
      "Postgres can't compute MD5, by which a cluster finds the home of a user (it protects nothing): could not compute MD5 hash: unsupported. Leave FIPS mode there, or run one server without a cluster.",
    );
    await open(false);
  });

  it('says what the owner of the tables has to do for a role that may not make or drop the index', async () => {
    await close(await open(false));
    await outside.connection.query(
      `CREATE ROLE app LOGIN PASSWORD 'x'; GRANT ALL ON ALL TABLES IN SCHEMA public TO app; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app`,
    );
    const asApp = (node: { id: null } | null) => openStore(storeOptions(url.replace(/\/\/[^/]+@/, '//app:x@')), node);
    expect(await reasonOf(asApp({ id: null }))).toMatch(
      /^Nodes need an index of the messages that wait, which only the owner of holdfast_offline_message can see to; have that role run: CREATE INDEX holdfast_offline_message_slot ON /,
    );
    await close(await open());
    await (await asApp({ id: null })).destroy();
    expect(await reasonOf(asApp(null))).toMatch(
      /^Nodes of a cluster have used this database, and their index has to go, .*: DROP INDEX holdfast_offline_message_slot$/,
    );
  });

  it('comes with a warning when a standby may lack what was receipted', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const standby = new DataSource({ type: 'postgres', url, poolSize: 1, extra: { replication: 'database' } });
    try {
      await open();
      expect(warn).not.toHaveBeenCalled();
      await standby.initialize();
      await open();
      expect(warn.mock.calls.flat().join()).toMatch(/standby that does not confirm commits/);
    } finally {
      warn.mockRestore();
      await standby.destroy();
    }
  });

  it('goes to a single server, and back, with positions that only grow', async () => {
    const { store: node, id } = await member();
    const block = await node.node.acquire(ALL);
    node.store('bob', 'm1', block.above + 1);
    await node.service.flush();
    await close(node);

    const single = await open(false);
    expect(await hasIndex()).toBe(false);
    expect(await outside.connection.query('SELECT * FROM holdfast_node')).toEqual([]);
    expect(single.service.counts).toMatchObject({ pending: 1, recovered: 1 });
    expect(single.service.lastPosition).toBe(block.upTo);
    single.store('bob', 'm2', block.upTo + 1);
    await single.service.flush();
    await close(single);

    const { store: again } = await member();
    expect(await hasIndex()).toBe(true);
    const next = await again.node.acquire(ALL);
    expect(next.above).toBeGreaterThan(block.upTo);
    expect(again.service.counts).toMatchObject({ pending: 2, recovered: 2 });
    expect(await outside.idsFor('bob')).toEqual(['m1', 'm2']);
    expect(id).toBeGreaterThan(0);
  });

  it('fences a single server that has lost its lock without noticing', async () => {
    const single = await open(false);
    single.store('bob', 'm1', single.service.lastPosition + 1);
    await single.service.flush();
    await outside.connection.query(
      `SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    const { store: node } = await member();
    await node.node.acquire(ALL);
    single.store('bob', 'm2', single.service.lastPosition + 2);
    await single.service.flush();
    expect(single.outcomes.get('m2')).toBe('refused');
    expect(await outside.idsFor('bob')).toEqual(['m1']);
  });
});

describe("a node's session", () => {
  const isFree = async (kind: string, id: number) => {
    const [row] = await outside.connection.query(
      `SELECT pg_try_advisory_xact_lock(${sessionLockSql('$1', '$2')}) AS free`,
      [kind, id],
    );
    return row.free as boolean;
  };

  it('holds a lock of its own as long as it lives', async () => {
    const { store, id } = await member();
    expect([await isFree('store', id), await isFree('bus', id), await isFree('store', id + 1)]).toEqual([
      false,
      true,
      true,
    ]);
    const session = { kind: 'membership', identity: { id } } as const;
    const membership = await new DataSource(nodeSessionOptions(store.dataSource.options, session)).initialize();
    expect(await isFree('membership', id)).toBe(false);
    await membership.destroy();
    await close(store);
    await eventually(
      async () => (await isFree('store', id)) && (await isFree('membership', id)),
      () => 'the locks are free',
    );
  });

  it('of the same kind and node is one at a time', async () => {
    const { store, id } = await member();
    const second = await open();
    expect(await reasonOf(second.node.join(id))).toBe('An earlier session of this node (store) has not ended yet.');
    await close(store);
    await second.node.join(id);
    expect(await isFree('store', id)).toBe(false);
  });
});

describe('the fence of a node', () => {
  /** The advisory lock that holds statements up. */
  const HELD = 7;
  let holder: QueryRunner | null = null;
  let table: (change?: (sql: string) => string) => OfflineMessageTable;
  let id: number;
  const row = (n: number) => {
    const message = { from: 'ann', to: 'bob', id: `m${n}`, content: 'x', sentAt: 1 };
    return { ...message, mailbox: mailboxKeyOf('bob'), position: n, bytes: 1, storedAt: 1 };
  };
  beforeEach(async () => {
    const { dataSource } = await open();
    id = await outside.addNode();
    const statements = new Statements(dataSource);
    const { fence } = new NodeOwnership(statements, { id });
    table = (change = (sql) => sql) => new OfflineMessageTable(statements, { ...copy(fence), sql: change(fence.sql) });
    await outside.connection.query(`
      CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN
           WHILE EXISTS (SELECT 1 FROM pg_locks WHERE locktype = ''advisory'' AND objsubid = 1 AND objid = ${HELD} AND granted)
             LOOP PERFORM pg_sleep(0.01); END LOOP;
           IF TG_OP = ''DELETE'' THEN RETURN OLD; END IF; RETURN NEW;
         END'`);
    await outside.connection.query(`
      CREATE TRIGGER dawdle BEFORE INSERT OR DELETE ON holdfast_offline_message FOR EACH ROW EXECUTE FUNCTION dawdle()`);
  });
  afterEach(() => release());
  const copy = ({ value, probe }: Fence) => ({ value, probe });
  const untilThereIs = (condition: string, what: string) =>
    eventually(
      async () => (await server.query(`SELECT 1 FROM pg_stat_activity WHERE ${condition}`, url)).length > 0,
      () => what,
    );
  /** Begins a statement that does not end before `release`. */
  const begin = async (statement: () => Promise<number>): Promise<{ readonly ended: Promise<number> }> => {
    holder = outside.connection.createQueryRunner();
    await holder.query(`SELECT pg_advisory_lock(${HELD})`);
    const ended = statement();
    await untilThereIs(`wait_event = 'PgSleep'`, 'the statement is under way');
    return { ended };
  };
  const release = async () => {
    await holder?.query(`SELECT pg_advisory_unlock(${HELD})`);
    await holder?.release();
    holder = null;
  };
  /** Deletes the node's row while the statement is under way; returns the messages in the table right after that. */
  const takeOverDuring = async (statement: () => Promise<number>) => {
    const { ended } = await begin(statement);
    const taken = outside.deleteNode(id).then(() => outside.idsFor('bob'));
    await untilThereIs(`wait_event_type = 'Lock' AND query LIKE 'DELETE FROM holdfast_node%'`, 'the takeover waits');
    await release();
    await ended;
    return taken;
  };

  it('lets a takeover wait for an insert under way, and nothing in after it', async () => {
    expect(await takeOverDuring(() => table().insert([row(1)]))).toEqual(['m1']);
    expect(await table().insert([row(2)])).toBe(0);
    expect(await outside.idsFor('bob')).toEqual(['m1']);
  });

  it('lets a takeover wait for a delete under way, and deletes nothing after it', async () => {
    await table().insert([row(1)]);
    await table().insert([row(2)]);
    expect(await takeOverDuring(() => table().remove([row(1)]))).toEqual(['m2']);
    expect(await table().remove([row(2)])).toBe(0);
    expect(await outside.idsFor('bob')).toEqual(['m2']);
  });

  it('would let a row in after the takeover without its lock', async () => {
    const unlocked = table((sql) => sql.replace(' FOR KEY SHARE', ''));
    const { ended } = await begin(() => unlocked.insert([row(1)]));
    await outside.deleteNode(id);
    expect(await outside.idsFor('bob')).toEqual([]);
    await release();
    await ended;
    expect(await outside.idsFor('bob')).toEqual(['m1']);
  });

  it('does not wait for a beat, nor a beat for it', async () => {
    const { ended } = await begin(() => table().insert([row(1)]));
    await outside.connection.query('UPDATE holdfast_node SET beat = now() WHERE id = $1', [id]);
    expect(await outside.idsFor('bob')).toEqual([]);
    await release();
    await ended;
  });
});

describe('the store of a node', () => {
  it('hands over a slot while messages of others never end', async () => {
    const { store } = await member();
    const block = await store.node.acquire(ALL);
    let [next, released]: [number, 'no' | 'yes'] = [block.above, 'no'];
    const storeNext = (): void => {
      if (released === 'yes') return;
      next += 1;
      const message = { id: `c${next}`, from: 'ann', to: 'carol', content: 'x', sentAt: 1 };
      const request = { mailbox: mailboxKeyOf('carol'), message, position: next, bytes: 1 };
      store.service.store({ ...request, mustKeep: false, hasEnded: false, onSettled: storeNext });
    };
    store.store('bob', 'm1', (next += 1));
    // So many that some always wait behind those that are being written.
    for (let n = 0; n < 2_000; n += 1) storeNext();
    await store.node.release([slotOf('bob')]).finally(() => (released = 'yes'));
    expect(await outside.idsFor('bob')).toEqual(['m1']);
    expect(store.service.counts.handedOver).toBe(1);
  });

  it('counts and writes in its own slots alone, and hands over what waits in one', async () => {
    const [{ store: first }, { store: second }] = [await member(), await member()];
    const [bobs, carols] = [slotOf('bob'), slotOf('carol')];
    const block = await first.node.acquire([bobs, carols]);
    first.store('bob', 'm1', block.above + 1);
    first.store('carol', 'm2', block.above + 2);
    first.store('dave', 'm3', block.above + 3); // Of another node.
    await first.service.flush();
    expect(first.service.counts).toMatchObject({ pending: 2, recovered: 0, handedOver: 0 });

    await first.node.release([bobs]);
    expect(first.service.counts).toMatchObject({ pending: 1, handedOver: 1 });
    first.store('bob', 'm4', block.above + 4);
    first.remove('bob', 'm1', block.above + 1);
    await first.service.flush();

    const later = await second.node.acquire([bobs]);
    expect(later.above).toBeGreaterThanOrEqual(block.upTo);
    expect(second.service.counts).toMatchObject({ pending: 1, recovered: 1 });
    second.store('bob', 'm5', later.above + 1);
    await second.service.flush();
    expect(await outside.idsFor('bob')).toEqual(['m1', 'm5']);
    expect(await outside.idsFor('dave')).toEqual([]);
    expect([...first.outcomes.keys()]).toEqual(['m1', 'm2']);

    await first.service.expire(Date.now() + 1e12);
    expect(first.service.counts).toMatchObject({ pending: 0, expired: 1 });
    expect(await outside.idsFor('bob')).toEqual(['m1', 'm5']);
    await second.service.expire(Date.now() + 1e12);
    expect(second.service.counts).toMatchObject({ pending: 0, expired: 2 });
    expect(second.service.storedBytes).toBe(0);
  });

  it('never says that nothing waits in a mailbox that it does not have, or has lost without noticing', async () => {
    const [{ store: first, id }, { store: second }] = [await member(), await member()];
    const bob = mailboxKeyOf('bob');
    const { above } = await first.node.acquire([slotOf('bob')]);
    for (const [index, name] of ['m1', 'm2', 'm3'].entries()) first.store('bob', name, above + index + 1);
    await first.service.flush();
    const one = { from: 'ann', id: 'm1' };
    for (const purge of [() => second.service.purge(bob, one), () => second.service.purge(bob)])
      await expect(purge()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await first.service.purge(bob, one)).toBe(1);
    first.node.fenced.on(() => void first.node.abandon());
    await outside.deleteNode(id);
    await expect(first.service.purge(bob)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await outside.idsFor('bob')).toEqual(['m2', 'm3']);
    await second.node.acquire([slotOf('bob')]);
    expect(await second.service.purge(bob)).toBe(2);
  });

  it('keeps what is asked for until it has joined', async () => {
    const store = await open();
    const count = store.service.count(mailboxKeyOf('bob'));
    const acquired = store.node.acquire([slotOf('bob')]);
    await store.node.join(await outside.addNode());
    const { above } = await acquired;
    store.store('bob', 'm1', above + 1);
    await store.service.flush();
    expect([await count, store.outcomes.get('m1')]).toEqual([0, 'stored']);
  });

  it('tells that it was fenced, refuses nobody, and goes on with a new id', async () => {
    const { store, id } = await member();
    const block = await store.node.acquire(ALL);
    store.store('bob', 'm1', block.above + 1);
    await store.service.flush();
    let fenced = 0;
    store.node.fenced.on(() => (fenced += 1));
    await outside.deleteNode(id);
    store.store('bob', 'm2', block.above + 2);
    await store.service.flush();
    await eventually(
      () => fenced > 0,
      () => 'the store says that it was fenced',
    );
    store.store('bob', 'm3', block.above + 3);
    await store.service.flush();
    expect([fenced, store.service.isHealthy, [...store.outcomes.keys()]]).toEqual([1, true, ['m1']]);

    const stuck = reasonOf(store.node.acquire([1]));
    await store.node.abandon();
    expect(await stuck).toBe('this node is not a member of the cluster any more');
    expect(store.service.counts).toMatchObject({ pending: 0, handedOver: 1 });
    expect(store.service.queueDepth).toEqual({ inserts: 0, bytes: 0, deletes: 0 });

    store.store('bob', 'm4', block.above + 4);
    await store.node.join(await outside.addNode());
    await store.service.flush();
    expect(await outside.idsFor('bob')).toEqual(['m1']);
    const next = await store.node.acquire([slotOf('bob')]);
    expect(next.above).toBeGreaterThanOrEqual(block.upTo);
    store.store('bob', 'm5', next.above + 1);
    await store.service.flush();
    expect(store.service.counts).toMatchObject({ pending: 2, recovered: 1, handedOver: 1 });
    expect(await outside.idsFor('bob')).toEqual(['m1', 'm5']);
  });

  it('finds out by a check or a delete as well', async () => {
    const { store, id } = await member();
    const block = await store.node.acquire(ALL);
    store.store('bob', 'm1', block.above + 1);
    await store.service.flush();
    let fenced = 0;
    store.node.fenced.on(() => (fenced += 1));
    await outside.deleteNode(id);
    store.remove('bob', 'm1', block.above + 1);
    await store.service.flush();
    expect(fenced).toBe(1);
    expect(await outside.idsFor('bob')).toEqual(['m1']);
  });

  it('gives new positions when one is taken, and loses nothing', async () => {
    const { store } = await member();
    const block = await store.node.acquire(ALL);
    store.store('bob', 'm1', block.above + 1);
    await store.service.flush();
    const told: number[] = [];
    store.service.displaced.on((above) => told.push(above));
    store.store('bob', 'm2', block.above + 1);
    await store.service.flush();
    expect(told.length).toBeGreaterThan(0);
    expect(told[0]).toBeGreaterThanOrEqual(block.upTo);
    expect(await outside.idsFor('bob')).toEqual(['m1']);
    expect(store.outcomes.get('m2')).toBe('refused');
  });

  it('draws blocks that no other node has', async () => {
    const nodes = [await member(), await member()];
    const blocks = await Promise.all(Array.from({ length: 20 }, (_, n) => nodes[n % 2]!.store.node.draw()));
    expect(new Set(blocks.map(({ above }) => above)).size).toBe(20);
    for (const { above, upTo } of blocks) expect(upTo - above).toBe(2 ** 28);
  });

  it('leaves the notices of other nodes alone', async () => {
    const [{ store: first }, { store: second }] = [await member(), await member()];
    const block = await first.node.acquire([slotOf('bob')]);
    await second.node.acquire([slotOf('carol')]);
    first.store('bob', 'm1', block.above + 1);
    await first.service.flush();
    const bob = mailboxKeyOf('bob');
    await second.service.notices.save(bob, () => false);
    expect(await second.service.notices.states([bob])).toEqual([]);
    expect(await second.service.notices.toldAfter('' as typeof bob, 9)).toEqual([]);
    await first.service.notices.save(bob, () => false);
    expect(await first.service.notices.states([bob])).toMatchObject([{ mailbox: bob, told: block.above + 1 }]);
    expect(await first.service.notices.mailboxesOfSlot(slotOf('bob'), '' as typeof bob, 9)).toEqual([bob]);
  });

  it('finds the rows of a few slots by the index', async () => {
    const { store } = await member();
    await outside.connection.query(`
      INSERT INTO holdfast_offline_message (recipient, position, sender, id, content, bytes, "sentAt", "storedAt")
      SELECT 'user' || n, n, 'ann', n::text, '', 0, 0, n FROM generate_series(1, 20000) AS n`);
    await outside.connection.query('DROP INDEX holdfast_offline_message_slot');
    await prepareForNodes(outside.connection);
    const statements: string[] = [];
    const query = jest.spyOn(Statements.prototype, 'query');
    await store.node.acquire([1, 2, 3]);
    for (const [sql] of query.mock.calls) if (sql.includes('COUNT(*)')) statements.push(sql);
    query.mockRestore();
    const plan = await outside.connection.query(`EXPLAIN ${statements[0]!.replace('?', '$1')}`, [[1, 2, 3]]);
    expect(JSON.stringify(plan)).toContain('holdfast_offline_message_slot');
  });
});

describe('the store of a node behind a network that fails', () => {
  it('stores once what was stored when the answer was lost, and lets nothing in of an earlier session', async () => {
    const proxy = await PostgresProxy.start(server.socket);
    try {
      const node = await StoreUnderTest.open(server.url(new URL(url).pathname.slice(1), proxy), true);
      stores.push(node);
      await node.node.join(await outside.addNode());
      const { above } = await node.node.acquire(ALL);
      proxy.failNext('INSERT INTO holdfast_offline_message', 'reset-answer');
      node.store('bob', 'm1', above + 1, true);
      await eventually(
        () => {
          node.clock.advance(250);
          return node.outcomes.get('m1') === 'stored';
        },
        () => 'm1 is stored',
      );
      expect([proxy.mishaps, node.service.counts.pending, await outside.idsFor('bob')]).toEqual([1, 1, ['m1']]);

      proxy.failNext('INSERT INTO holdfast_offline_message', 'hold');
      node.store('bob', 'm2', above + 2);
      await eventually(
        () => {
          node.clock.advance(250);
          return node.outcomes.get('m2') === 'refused';
        },
        () => 'm2 is refused',
      );
      await node.service.flush();
      await node.node.release([slotOf('bob')]);
      await proxy.release();
      expect(await outside.idsFor('bob')).toEqual(['m1']);
      expect(node.service.counts).toMatchObject({ pending: 0, handedOver: 1 });
    } finally {
      for (const store of stores) await store.close();
      stores = [];
      await proxy.close();
    }
  });
});
