import { refusal } from '../../test/support/environment.js';
import { readEnvironment } from './environment.js';

const DATABASE_URL = 'postgres://chat:hunter2@db/chat';
const NODE = { CHAT_CLUSTER: '1', DATABASE_URL };

describe('the environment of the server says whether it is a node of a cluster', () => {
  it.each([
    [{ CHAT_CLUSTER: '1' }, { redis: null }],
    [{ CHAT_CLUSTER: 'true' }, { redis: null }],
    [{ CHAT_CLUSTER: '1', CHAT_BUS_URL: 'redis://chat:p%40ss@bus:6380' }, { redis: 'redis://chat:p%40ss@bus:6380' }],
    [{ CHAT_CLUSTER: '0' }, null],
    [{ CHAT_CLUSTER: 'false' }, null],
    [{ CHAT_CLUSTER: '', CHAT_BUS_URL: '' }, null],
    [{}, null],
  ])('takes %j', (given, cluster) => {
    expect(readEnvironment({ ...given, DATABASE_URL })).toMatchObject({ cluster });
  });

  it.each(['yes', '2', 'True', 'constructor', '10.0.0.5:7411'])('refuses CHAT_CLUSTER=%s', (CHAT_CLUSTER) => {
    expect(refusal({ CHAT_CLUSTER, DATABASE_URL })).toBe(`CHAT_CLUSTER is '${CHAT_CLUSTER}'; give 1, or leave it out.`);
  });

  it.each(['sqlite:data/chat.sqlite', 'better-sqlite3:data/chat.sqlite', ''])(
    'refuses a node whose store is %j, which is for one server',
    (url) => {
      expect(refusal({ ...NODE, DATABASE_URL: url })).toBe(
        'CHAT_CLUSTER is 1, but the store is not on Postgres; give DATABASE_URL=postgres://…, the same for all nodes, as a store on SQLite is for one server.',
      );
    },
  );

  it('refuses a bus without a cluster', () => {
    expect(refusal({ CHAT_BUS_URL: 'redis://:hunter2@bus', DATABASE_URL })).toBe(
      'CHAT_BUS_URL is given, but CHAT_CLUSTER is not; set CHAT_CLUSTER=1 for a node of a cluster, or leave both out.',
    );
  });

  it('says what is wrong with the address of a bus, without the address', () => {
    const problem = refusal({ ...NODE, CHAT_BUS_URL: 'amqp://chat:hunter2@bus' });
    expect(problem).toBe(
      'CHAT_BUS_URL is not an address of Redis; give redis://USER:PASSWORD@HOST:PORT, or rediss:// for TLS, with what is special as % and its number, or leave it out for a bus over Postgres.',
    );
    expect(refusal({ ...NODE, CHAT_BUS_URL: 'redis://:hunter2@bus\n' })).toBe(
      'CHAT_BUS_URL begins or ends with a blank or a line break; give it without that, such as from printf instead of echo.',
    );
  });

  it('knows a misspelt name of its variables', () => {
    expect(refusal({ CHAT_CLUSTERS: '1' })).toContain('Did you mean CHAT_CLUSTER?');
  });
});
