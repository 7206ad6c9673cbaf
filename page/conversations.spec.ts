import { Conversations } from './conversations.js';
import { EVERYONE, type Line } from './line.js';
import type { KeptLog, PageLog } from './page-log.js';

/** The part of the log that is used, in memory. */
function logWith(kept: KeptLog = { lines: [], conversations: [] }) {
  const removed: string[] = [];
  const nothing = () => Promise.resolve();
  const log = {
    load: () => Promise.resolve(kept),
    add: nothing,
    change: nothing,
    keep: nothing,
    forget: nothing,
    remove: (keys: readonly string[]) => Promise.resolve(void removed.push(...keys)),
  };
  return { log: log as unknown as PageLog, removed };
}

const view = { onAdded() {}, onChanged() {}, onRemoved() {}, onMerged() {}, onListed() {} };

function lineOf(id: string, conversation = 'bob', content = 'hello'): Line {
  const from = conversation;
  return { key: `${from}\n${id}`, id, from, conversation, content, at: 0, waitedMs: null, state: null };
}

describe('the conversations', () => {
  it('are Everyone, then the others, the latest first', async () => {
    const conversations = new Conversations(logWith().log, view);
    for (const name of ['bob', 'carol', 'dave', 'bob']) await conversations.add(lineOf(`to ${name}`, name));
    await conversations.add({ ...lineOf('again', 'carol') });
    expect(conversations.list.map(({ name }) => name)).toEqual([EVERYONE, 'carol', 'dave', 'bob']);
  });

  it('have each message once, however often it is told', async () => {
    const conversations = new Conversations(logWith().log, view);
    expect(await conversations.add(lineOf('1'))).toBe(true);
    expect(await conversations.add(lineOf('1'))).toBe(false);
    expect(conversations.of('bob').lines).toHaveLength(1);
    expect(conversations.unread).toBe(1);
  });

  it('have a line where the record has it, also when it came with a later position', async () => {
    const conversations = new Conversations(logWith().log, view);
    const at = (id: string, position: string) => ({ ...lineOf(id), position });
    for (const line of [at('1', '1'), at('2', '4'), at('3', '5')]) await conversations.add(line);
    const ids = () => conversations.of('bob').lines.map(({ id, position }) => id + position);
    expect(ids()).toEqual(['11', '24', '35']);
    conversations.merge('bob', [at('3', '3')], { unread: 0, read: null, first: null });
    expect(ids()).toEqual(['11', '33', '24']);
  });

  it('count what others have said since somebody read, here, in another tab, or before the reload', async () => {
    const lines = ['1', '2', '3'].map((id) => lineOf(id));
    const kept = { lines, conversations: [{ name: 'bob', draft: 'half a sent', readKey: lines[0]!.key }] };
    const conversations = new Conversations(logWith(kept).log, view);
    await conversations.load();
    expect(conversations.of('bob')).toMatchObject({ unread: 2, draft: 'half a sent' });
    conversations.readUpTo('bob', lines[1]!.key);
    expect(conversations.unread).toBe(1);
    await conversations.add({ ...lineOf('4'), state: 'pending' });
    expect(conversations.unread).toBe(1);
    expect(await conversations.read('bob')).toBe(lineOf('3').key);
    expect(await conversations.read('bob')).toBeNull();
    expect(conversations.unread).toBe(0);
  });

  it('keep 2,000 lines each, 20,000 and 8,000,000 characters in all, the newest', async () => {
    const { log, removed } = logWith();
    const conversations = new Conversations(log, view);
    for (let id = 0; id < 2_010; id += 1) await conversations.add(lineOf(String(id)));
    expect(conversations.of('bob').lines).toHaveLength(2_000);
    expect(removed).toEqual(Array.from({ length: 10 }, (_, id) => lineOf(String(id)).key));
    for (let id = 0; id < 130; id += 1) await conversations.add(lineOf(String(id), `n${id % 2}`, 'x'.repeat(65_000)));
    const held = conversations.list.flatMap(({ lines }) => lines).reduce((sum, { content }) => sum + content.length, 0);
    expect(held).toBeLessThanOrEqual(8_000_000);
    expect(held).toBeGreaterThan(7_900_000);
    for (let id = 0; id < 20_100; id += 1) await conversations.add(lineOf(String(id), `m${id % 20}`, 'x'));
    expect(conversations.list.reduce((sum, { lines }) => sum + lines.length, 0)).toBe(20_000);
  });

  it('are 500 at most: the one in which nothing was said for longest goes', async () => {
    const conversations = new Conversations(logWith().log, view);
    for (let index = 0; index < 600; index += 1) await conversations.add(lineOf('1', `name ${index}`));
    expect(conversations.list).toHaveLength(500);
    expect(conversations.list[1]!.name).toBe('name 599');
    expect(conversations.list.at(-1)!.name).toBe('name 101');
  });
});
