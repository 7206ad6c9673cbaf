import { homedir } from 'node:os';
import { join } from 'node:path';
import { readSettings, UsageError } from '../src/terminal/settings.js';

const storeOf = (args: string[], env = {}) => readSettings(args, env)!.store;

describe('the settings of the terminal client', () => {
  it('need a name only', () => {
    const { user, url, token, store } = readSettings(['alice'], {})!;
    expect([user, url.href, token]).toEqual(['alice', 'ws://127.0.0.1:3000/chat', { from: 'nowhere' }]);
    expect(store).toContain(join(homedir(), '.local/state/holdfast/alice@127.0.0.1_3000-'));
  });

  it('take the address from the call before the environment', () => {
    const env = { HOLDFAST_URL: 'wss://b/chat' };
    expect(readSettings(['alice'], env)!.url.href).toBe('wss://b/chat');
    expect(readSettings(['alice', '--url', 'https://a/chat'], env)!.url.href).toBe('https://a/chat');
  });

  it('take a token from a file, a pipe or the environment', () => {
    const env = { HOLDFAST_TOKEN: 'secret' };
    expect(readSettings(['alice'], env)!.token).toEqual({ from: 'environment', value: 'secret' });
    expect(readSettings(['alice', '--token-file', 'a'], env)!.token).toEqual({ from: 'file', path: 'a' });
    expect(readSettings(['alice', '--token-file', '-'], env)!.token).toEqual({ from: 'pipe' });
  });

  it.each([
    [[], 'give one name: who you are'],
    [['alice', 'bob'], 'give one name: who you are'],
    [['alice', '--url', 'ftp://a'], 'begins with ws://'],
    [['alice', '--url', '127.0.0.1:3000'], 'begins with ws://'],
    [['alice', '--store', 'a', '--no-store'], 'not both'],
    [['alice', '--loud'], '--loud'],
  ])('refuse a wrong call: %j', (args, message) => {
    expect(() => readSettings(args, {})).toThrow(UsageError);
    expect(() => readSettings(args, {})).toThrow(message);
  });

  it.each([
    ['--token', 'secret'],
    ['--token=secret', ''],
  ])('refuse a token among the arguments, and do not repeat it: %s', (...args) => {
    expect(() => readSettings(['alice', ...args], {})).toThrow(
      /^a token is no argument, as others could see it;[^]*file$/,
    );
  });

  it('have a store for each server and user, with a name that every file system takes', () => {
    const users = ['alice', 'Alice', 'a/../b', 'a_.._b', '👩‍👩‍👧'.repeat(5), `${'👩‍👩‍👧'.repeat(5)}x`, '..'];
    const servers = ['ws://a/chat', 'wss://a/chat', 'ws://a:3000/chat', 'ws://a/other', 'ws://b/chat'];
    const paths = users.flatMap((user) => servers.map((url) => storeOf([user, '--url', url])!));
    expect(new Set(paths).size).toBe(paths.length);
    const folder = join(homedir(), '.local/state/holdfast');
    for (const path of paths) expect(path.slice(folder.length)).toMatch(/^\/[\w@.-]{18,100}\.log$/);
    expect(storeOf(['alice', '--url', 'ws://a/chat?x=1'])).toBe(storeOf(['alice', '--url', 'ws://a/chat']));
  });

  it('have the store below XDG_STATE_HOME, if that is a path', () => {
    expect(storeOf(['alice'], { XDG_STATE_HOME: '/state' })).toMatch(/^\/state\/holdfast\/alice@/);
    expect(storeOf(['alice'], { XDG_STATE_HOME: 'state' })).toContain(homedir());
    expect(storeOf(['alice', '--no-store'])).toBeNull();
  });
});
