import { ChatApp } from '../../support/chat-app.js';
import { rowsOf } from '../../support/store-file.js';
import type { TestClient } from '../../support/test-client.js';

const DEPTH = 10_000;
const LISTS = `${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}`;
const OBJECTS = `${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}`;
const POLLUTION = '{"polluted":1,"to":"eve","from":"eve","content":"no","isAdmin":true}';

/** JSON values where a string is expected. */
const NO_STRINGS: readonly (readonly [what: string, json: string])[] = [
  ['null', 'null'],
  ['true', 'true'],
  ['a number', '1'],
  ['a number without end', '1e400'],
  ['a list', '["bob"]'],
  ['an empty list', '[]'],
  ['an object', '{}'],
  ['a condition', '{"$ne":""}'],
  ['an operator of a database library', '{"_type":"raw","value":"1=1"}'],
  ['an object with a length', '{"length":3,"0":"b"}'],
  ['an object that would turn into a string', '{"toString":"bob","valueOf":"bob"}'],
  ['an object with a prototype', '{"__proto__":{"toString":1}}'],
  ['lists, ten thousand deep', LISTS],
  ['objects, ten thousand deep', OBJECTS],
];

/** Members that mean something to a JavaScript object but not to the protocol. */
const STRANGE_MEMBERS: readonly (readonly [what: string, members: string])[] = [
  ['__proto__', `"__proto__":${POLLUTION}`],
  ['__proto__, escaped', `"\\u005f_proto__":${POLLUTION}`],
  ['__proto__ of __proto__', `"__proto__":{"__proto__":${POLLUTION}}`],
  ['constructor.prototype', `"constructor":{"prototype":${POLLUTION}}`],
  ['a flat path', '"constructor.prototype.polluted":1,"__proto__.polluted":1,"__proto__[polluted]":1'],
  ['toJSON, toString and then', '"toJSON":1,"toString":1,"valueOf":1,"then":1,"hasOwnProperty":1,"length":-1'],
  ['lists, ten thousand deep', `"x":${LISTS}`],
  ['objects, ten thousand deep', `"x":${OBJECTS}`],
  ['the same name twice', '"x":1,"x":2'],
  ['numbers that are none', '"x":1e400,"y":-1e400,"z":-0,"n":123456789012345678901234567890'],
  ['what a table would call its columns', '"sender":"eve","recipient":"eve","position":0,"sentAt":0,"storedAt":0'],
];

/** Text that is not JSON, or not an object. */
const NO_OBJECTS: readonly (readonly [what: string, json: string])[] = [
  ['half of it', '{"event":"send","from":"alice"'],
  ['NaN', '{"x":NaN}'],
  ['a number in hex', '{"x":0x10}'],
  ['a comment', '{/**/}'],
  ['two of them', '{}{}'],
  ['lists, ten thousand deep', LISTS],
  ['objects, ten thousand deep, unclosed', '{"a":'.repeat(DEPTH)],
  ['lists, ten thousand deep, unclosed', '['.repeat(DEPTH)],
  ['null', 'null'],
  ['a string', '"__proto__"'],
];

describe('hostile JSON', () => {
  let chat: ChatApp;
  let healthy: TestClient;
  let partner: TestClient;
  let alice: TestClient;
  const prototype = describePrototypes();

  beforeAll(async () => {
    chat = await ChatApp.start();
    [healthy, partner] = [await chat.connectJson('healthy'), await chat.connect('partner')];
    alice = await chat.connectJson('alice');
    await alice.nextJson('caught-up');
    await healthy.nextJson('caught-up');
  });
  afterEach(() => expectNoHarm());
  afterAll(() => chat.dispose());
  let round = 0;

  /** Uninvolved clients notice nothing and get nothing of it. */
  async function expectNoHarm(): Promise<void> {
    expect(describePrototypes()).toEqual(prototype);
    healthy.sendJson('send', { to: 'partner', content: 'hello', id: `h-${(round += 1)}` });
    expect(await partner.next()).toBe('hello');
    expect((await healthy.nextJson('receipts')).data).toMatchObject([{ id: `h-${round}`, status: 'delivered' }]);
  }

  async function post(path: string, json: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const headers = { 'Content-Type': 'application/json' };
    const response = await fetch(`http://127.0.0.1:${chat.port}/chat/${path}`, { method: 'POST', headers, body: json });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  async function exceptionTo(frame: string): Promise<Record<string, unknown>> {
    alice.send(frame);
    // Before it may come the ends of messages that a test has purged.
    return (await alice.until('exception')).data as unknown as Record<string, unknown>;
  }

  /** Removes what waits for carol; returns it as it was in the file. */
  async function takeFromCarol(): Promise<Record<string, unknown>[]> {
    const rows = (await rowsOf(chat)).map(({ recipient, sender, content }) => ({
      recipient,
      sender,
      content: Buffer.from(content, 'hex').toString(),
    }));
    await chat.rest('DELETE', '/chat/pending/carol');
    return rows;
  }

  describe.each(NO_STRINGS)('where a string is due: %s', (_, json) => {
    it('is refused in every field of a body, with its name', async () => {
      const message = { from: '"alice"', to: '"carol"', content: '"x"', id: '"m-1"' };
      for (const field of ['from', 'to', 'content', 'id'] as const) {
        const members = Object.entries({ ...message, [field]: json }).map(([name, value]) => `"${name}":${value}`);
        const { status, body } = await post('messages', `{${members.join(',')}}`);
        expect([field, status, body]).toEqual([
          field,
          400,
          { statusCode: 400, code: 'BAD_REQUEST', message: expect.stringContaining(`${field}: `) },
        ]);
      }
      expect((await post('tickets', `{"user":${json}}`)).body).toMatchObject({ statusCode: 400, code: 'BAD_REQUEST' });
      expect(await takeFromCarol()).toEqual([]);
    });

    it('is refused in every field of a frame', async () => {
      const send = { to: '"carol"', content: '"x"', id: '"m-1"' };
      for (const field of ['to', 'content', 'id'] as const) {
        const members = Object.entries({ ...send, [field]: json }).map(([name, value]) => `"${name}":${value}`);
        const data = await exceptionTo(`{"event":"send","data":{${members.join(',')}}}`);
        expect(data).toMatchObject({ code: 'BAD_FRAME', ...(field === 'id' ? {} : { id: 'm-1' }) });
        if (field === 'to') continue;
        const broadcast = members.slice(1).join(',');
        expect((await exceptionTo(`{"event":"broadcast","data":{${broadcast}}}`))['code']).toBe('BAD_FRAME');
      }
      expect((await exceptionTo(`{"event":"signal","data":{"to":${json},"kind":"at"}}`))['code']).toBe('BAD_FRAME');
      expect((await exceptionTo(`{"event":"signal","data":{"to":"carol","kind":${json}}}`))['code']).toBe('BAD_FRAME');
      expect((await exceptionTo(`{"event":${json},"data":{"to":"carol","content":"x"}}`))['code']).toBe('BAD_FRAME');
      expect((await exceptionTo(`{"event":"renew","data":{"token":${json}}}`))['code']).toBe('BAD_FRAME');
      if (json !== '1') expect((await exceptionTo(`{"event":"ack","data":{"seq":${json}}}`))['code']).toBe('BAD_FRAME');
      expect(await takeFromCarol()).toEqual([]);
    });
  });

  describe.each(STRANGE_MEMBERS)('members that nobody asked for: %s', (kind, members) => {
    it('change nothing of a body', async () => {
      for (const body of [
        `{${members},"from":"alice","to":"carol","content":"x"}`,
        `{"from":"alice","to":"carol","content":"x",${members}}`,
      ])
        expect((await post('messages', body)).status).toBe(201);
      const row = { recipient: 'carol', sender: 'alice', content: 'x' };
      expect(await takeFromCarol()).toEqual([row, row]);
      expect((await post('messages', `{${members}}`)).status).toBe(400);
      expect((await post('tickets', `{${members}}`)).status).toBe(400);
      // For its own user, as a user may have at most ten unused tickets.
      const user = `user-${STRANGE_MEMBERS.findIndex(([title]) => title === kind)}`;
      expect((await post('tickets', `{"user":"${user}",${members}}`)).status).toBe(201);
    });

    it('change nothing of a frame', async () => {
      for (const frame of [
        `{"event":"send",${members},"data":{${members},"to":"carol","content":"x"}}`,
        `{"data":{"to":"carol","content":"x",${members}},${members},"event":"send"}`,
      ]) {
        alice.send(frame);
        expect((await alice.until('receipts')).data).toMatchObject([{ status: 'stored' }]);
      }
      const row = { recipient: 'carol', sender: 'alice', content: 'x' };
      expect(await takeFromCarol()).toEqual([row, row]);
      expect((await exceptionTo(`{${members}}`))['code']).toBe('BAD_FRAME');
      expect((await exceptionTo(`{"event":"send","data":{${members}}}`))['code']).toBe('BAD_FRAME');
    });
  });

  it.each(NO_OBJECTS)('that is no object is refused: %s', async (_, json) => {
    expect((await post('messages', json)).body).toMatchObject({ statusCode: 400, code: 'BAD_REQUEST' });
    expect((await exceptionTo(json))['code']).toBe('BAD_FRAME');
    expect((await exceptionTo(`{"event":"send","data":${json}}`))['code']).toBe('BAD_FRAME');
    expect(await takeFromCarol()).toEqual([]);
  });

  it('with a name twice means the last one, at both doors', async () => {
    const members = '"content":"first","to":"eve","to":"carol","content":"last"';
    expect((await post('messages', `{"from":"eve","from":"alice",${members}}`)).status).toBe(201);
    alice.send(`{"event":"broadcast","event":"send","data":{},"data":{${members}}}`);
    await alice.until('receipts');
    const row = { recipient: 'carol', sender: 'alice', content: 'last' };
    expect(await takeFromCarol()).toEqual([row, row]);
  });
});

/** All that hangs on the prototypes from which everything inherits. */
function describePrototypes(): unknown {
  return [Object.prototype, Array.prototype, String.prototype, Function.prototype].map((each) =>
    Object.entries(Object.getOwnPropertyDescriptors(each)),
  );
}
