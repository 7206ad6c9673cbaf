import { UNCAPPED } from '../support/crash-server.js';
import { eventually } from '../support/deadline.js';
import { PostgresServer } from '../support/postgres-server.js';
import { ServerProcess } from '../support/server-process.js';
import { TestClient } from '../support/test-client.js';

/** Messages that wait: UPGRADE_ROWS=1000000 is what a large server has. */
const ROWS = Number(process.env['UPGRADE_ROWS'] ?? 20_000);
const ROWS_OF_USER = 20;
const USERS = ROWS / ROWS_OF_USER;
const ALL_MS = 120_000 + ROWS;

describe(`one server whose database has ${ROWS} messages that wait`, () => {
  let postgres: PostgresServer;
  const servers: ServerProcess[] = [];
  beforeAll(async () => void (postgres = await PostgresServer.start()));
  afterAll(async () => {
    for (const server of servers) await server.kill();
    await postgres?.dispose();
  });

  /** Starts a server, waits until it is ready, and prints how long that took. */
  async function start(what: string, DATABASE_URL: string, env: NodeJS.ProcessEnv = {}): Promise<ServerProcess> {
    const began = performance.now();
    const server = await ServerProcess.start({ ...UNCAPPED, ...env, DATABASE_URL });
    servers.push(server);
    await eventually(
      async () => (await fetch(`${server.url}/health/ready`)).ok,
      () => `${what} is ready; it wrote ${server.written}`,
      ALL_MS,
    );
    process.stdout.write(`${what} is ready after ${((performance.now() - began) / 1_000).toFixed(1)} s\n`);
    return server;
  }

  const statsOf = async ({ url }: ServerProcess) => (await fetch(`${url}/chat/stats`)).json() as Promise<Stats>;

  async function untilPending(server: ServerProcess, pending: number): Promise<void> {
    await eventually(
      async () => (await statsOf(server)).messages.pending === pending,
      () => `${pending} messages wait`,
      60_000,
    );
  }

  /** Reads a mailbox as a client does, and confirms all of it. */
  async function readAll({ socketUrl }: ServerProcess, user: number): Promise<void> {
    const client = await TestClient.open(`${socketUrl}?user=user-${user}`, ['chat.v1.json']);
    for (let n = 0; n < ROWS_OF_USER; n += 1) {
      const { data } = await client.until('message');
      expect(data.content).toBe(`content of ${user + n * USERS}`);
      client.sendJson('ack', { seq: data.seq });
    }
    await client.close();
  }

  it(
    'becomes a cluster, and one server again, and each delivers what waited',
    async () => {
      const url = await postgres.createDatabase();
      await (await start('one server on an empty database', url)).stop();
      await postgres.query(
        `INSERT INTO holdfast_offline_message (recipient, position, sender, id, content, bytes, "sentAt", "storedAt")
         SELECT 'user-' || (i % ${USERS}), i, 'ann', 'm' || i, 'content of ' || i, 10 + length('' || i), i, ${Date.now()}
         FROM generate_series(1, ${ROWS}) i`,
        url,
      );
      await postgres.query(`UPDATE holdfast_store SET "lastPosition" = ${ROWS}`, url);
      const single = await start('one server with all messages', url);
      await untilPending(single, ROWS);
      await single.stop();
      const first = await start('the first node', url, { CHAT_CLUSTER: '1' });
      const second = await start('the second node', url, { CHAT_CLUSTER: '1' });
      await eventually(
        async () => (await statsOf(second)).nodes?.every(({ slots }) => slots === 512) === true,
        () => `both have their share; ${first.written} ${second.written}`,
        ALL_MS,
      );
      await untilPending(second, ROWS);
      for (const user of [7, 8, 9]) await readAll(second, user);
      await untilPending(first, ROWS - 3 * ROWS_OF_USER);
      for (const node of [first, second]) expect(await node.stop()).toBe(0);
      const again = await start('one server again', url);
      await untilPending(again, ROWS - 3 * ROWS_OF_USER);
      await readAll(again, 10);
      await untilPending(again, ROWS - 4 * ROWS_OF_USER);
    },
    ALL_MS,
  );
});

interface Stats {
  readonly messages: { readonly pending: number };
  readonly nodes?: readonly { readonly slots: number }[];
}
