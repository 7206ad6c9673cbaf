import { ChatOptionsError } from '../options/chat.options.js';
import { flawOfRedis, resolveClusterOption, titleOfCluster } from './cluster.options.js';

const POSTGRES = { type: 'postgres' } as const;

/** The sentence with which a value is refused. */
function refusalOf(given: unknown, database: Parameters<typeof resolveClusterOption>[1] = POSTGRES): string {
  try {
    resolveClusterOption(given, database);
  } catch (error) {
    if (error instanceof ChatOptionsError) return error.message;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('the option cluster', () => {
  it.each([
    [undefined, null],
    [null, null],
    [false, null],
    [true, { redis: null }],
    [{}, { redis: null }],
    [{ bus: undefined }, { redis: null }],
    [{ bus: { redis: 'redis://localhost' } }, { redis: 'redis://localhost' }],
    [{ bus: { redis: 'rediss://chat:p%40ss@[::1]:6380/0' } }, { redis: 'rediss://chat:p%40ss@[::1]:6380/0' }],
  ])('may be %j', (given, settings) => {
    expect(resolveClusterOption(given, POSTGRES)).toEqual(settings);
  });

  it.each([
    ['yes', /^ChatModule option cluster is a string; give true, \{ bus/],
    ['redis://:hunter2@bus', /^ChatModule option cluster is a string; give true/],
    [1, /^ChatModule option cluster is 1; give true/],
    [['redis://:hunter2@bus'], /^ChatModule option cluster is a list; give true/],
    [{ redis: 'redis://:hunter2@bus' }, /^ChatModule option cluster\.redis is not known; known is bus/],
    [{ bus: 'redis://:hunter2@bus' }, /^ChatModule option cluster\.bus is a string; give \{ redis/],
    [{ bus: null }, /^ChatModule option cluster\.bus is null; give \{ redis/],
    [{ bus: { nats: 'x' } }, /^ChatModule option cluster\.bus\.nats is not known; known is redis/],
    [{ bus: {} }, /^ChatModule option cluster\.bus\.redis is not a string; give redis:/],
    [{ bus: { redis: 'http://:hunter2@bus' } }, /^ChatModule option cluster\.bus\.redis is not an address of Redis;/],
  ])('is refused as %j, without what may be a password', (given, problem) => {
    expect(refusalOf(given)).toMatch(problem);
    expect(refusalOf(given)).not.toContain('hunter2');
  });

  it('is refused where the store is on SQLite, and left alone there when it is false', () => {
    expect(refusalOf(true, { type: 'better-sqlite3' })).toBe(
      "ChatModule option cluster is given, but the store is on better-sqlite3; give database: 'postgres://…', the same for all nodes; a store on SQLite is for one server.",
    );
    expect(resolveClusterOption(false, { type: 'better-sqlite3' })).toBeNull();
  });

  it.each([
    ['redis://bus ', 'begins or ends with a blank or a line break'],
    ['redis://', 'names no host'],
    ['redis:bus', 'is not an address of Redis'],
    ['bus:6379', 'is not an address of Redis'],
    ['unix:///run/redis.sock', 'is not an address of Redis'],
    ['redis:///0', 'names no host'],
    ['redis://chat:hun/ter@bus', 'is not an address of Redis'],
    ['redis://chat/hunter2@bus', "has an '@' behind its host"],
    ['redis://bus?password=hunter2', "has a '?' or a '#' in it, but takes no parameters"],
    ['redis://bus/chat', 'has a path'],
    ['redis://chat:100%@bus', "has a '%' that is not written as %25"],
  ])('is told that the address %j %s', (url, problem) => {
    expect(flawOfRedis(url)?.[0]).toBe(problem);
  });

  it('is named at the start without a user or a password', () => {
    expect(titleOfCluster({ redis: 'rediss://chat:hunter2@bus:6380/0' })).toBe(
      'a node of a cluster, whose bus is rediss://bus:6380',
    );
    expect(titleOfCluster({ redis: null })).toBe('a node of a cluster, whose bus is Postgres');
  });
});
