import { Readable } from 'node:stream';
import { ChatService } from '../../../src/chat/chat.service.js';
import { ChatApp } from '../../support/chat-app.js';
import { DATABASE_KINDS, type DatabaseKind } from '../../support/databases.js';
import { RecordWriter } from '../../support/record-writer.js';

const RECORD = { keepMs: 3_600_000, maxPerConversation: null, conversationsPerDay: null };
const MESSAGES = 450;

describe.each(DATABASE_KINDS)('what is stored of a user, on %s', (_, kindOf) => {
  let kind: DatabaseKind;
  let app: ChatApp;
  beforeAll(async () => {
    kind = kindOf();
    app = await ChatApp.start({ record: RECORD }, undefined, await kind.create());
  });
  afterAll(async () => {
    await app.dispose();
    await kind.dispose();
  });

  it('is exported as lines of JSON, all of it, and nothing of others', async () => {
    const chat = app.app.get(ChatService);
    await chat.send({ from: 'bob', to: 'mia', content: 'waits', id: 'w1', meta: { n: 1 }, topic: 't', ttl: 3_600 });
    await chat.send({ from: 'bob', to: 'carol', content: 'none of it' });
    const mia = await app.connect('mia-of-another-name');
    mia.socket.terminate();
    await new RecordWriter(app).write(
      Array.from({ length: MESSAGES }, (_each, n) =>
        n % 2 ? ['mia', `peer${n % 7}`, `${n}`] : ['bob', 'mia', `${n}`],
      ),
    );
    const lines: { type: string; content?: string }[] = [];
    for await (const line of Readable.from(chat.export('mia')) as AsyncIterable<string>) {
      expect(line).toMatch(/^\{.*\}\n$/);
      lines.push(JSON.parse(line));
    }
    expect(lines[0]).toEqual({ type: 'user', user: 'mia', lastSeenAt: null });
    expect(lines[1]).toMatchObject({
      type: 'waiting',
      id: 'w1',
      from: 'bob',
      to: 'mia',
      content: 'waits',
      meta: { n: 1 },
      topic: 't',
      sentAt: expect.any(String),
      storedAt: expect.any(String),
      expiresAt: expect.any(String),
    });
    const of = (type: string) => lines.filter((line) => line.type === type);
    expect(of('conversation')).toHaveLength(8);
    expect(of('conversation')[0]).toMatchObject({ with: expect.any(String), newest: expect.any(String), read: null });
    const contents = of('message').map(({ content }) => content);
    expect(contents.slice(1)).toEqual(Array.from({ length: MESSAGES }, (_each, n) => `${n}`));
    expect(contents[0]).toBe('waits');
  });

  it('comes by REST as a stream', async () => {
    const response = await fetch(`http://127.0.0.1:${app.port}/chat/users/mia/export`);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/x-ndjson']);
    const lines = (await response.text()).trim().split('\n');
    expect(lines).toHaveLength(1 + 1 + 8 + MESSAGES + 1);
    expect((await app.rest('GET', '/chat/users/a|b/export')).status).toBe(400);
  });
});
