import { ChatApp } from '../../support/chat-app.js';
import { eventually } from '../../support/deadline.js';
import { RawClient } from '../../support/raw-client.js';
import { alone } from '../../support/test-nodes.js';

const [PING, PONG] = [9, 10];
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z:/;

describe('the text protocol', () => {
  let chat: ChatApp;
  beforeEach(async () => {
    chat = await ChatApp.start({ maxContentBytes: 4_096, maxFrameBytes: 8_192 });
  });
  afterEach(() => chat.dispose());

  it('relays `to|content` to the one named, and to nobody else', async () => {
    const [alice, bob, carol] = [await chat.connect('alice'), await chat.connect('bob'), await chat.connect('carol')];
    alice.send('bob|hello');
    alice.send(' carol |trimmed');
    expect(await bob.next()).toBe('hello');
    expect(await carol.next()).toBe('trimmed');
    await bob.expectNothingElse('bob');
    await alice.expectNothingElse('alice');
  });

  it('takes the first bar as the only delimiter and keeps the content byte for byte', async () => {
    const [alice, bob] = [await chat.connect('alice'), await chat.connect('bob')];
    const contents = [
      'ps | grep x',
      '',
      '|',
      '||a||',
      ' spaces ',
      'line\r\nbreak\n',
      '\uFEFFbom',
      'nul\0byte',
      '👩‍👩‍👧 ünïcödé 你好',
      '<b>&amp;</b>',
    ];
    for (const content of contents) alice.send(`bob|${content}`);
    expect(await bob.take(contents.length)).toEqual(contents);
  });

  it('keeps the content byte for byte through the store', async () => {
    const alice = await chat.connect('alice');
    const contents = [
      'ps | grep x',
      '',
      '|',
      '\uFEFFbom',
      'nul\0byte',
      "Robert'); DROP TABLE x;--",
      '{"a":"\\u0000"}',
      'x'.repeat(4_096),
      '👩‍👩‍👧',
    ];
    for (const content of contents) alice.send(`bob|${content}`);
    await chat.untilPending('bob', contents.length);
    const bob = await chat.connect('bob');
    const late = await bob.take(contents.length);
    expect(late.map((frame) => frame.replace(TIME, ''))).toEqual(contents);
    for (const frame of late) expect(frame).toMatch(TIME);
  });

  it('sends `|content` to the last recipient of the connection', async () => {
    const [alice, bob, carol] = [await chat.connect('alice'), await chat.connect('bob'), await chat.connect('carol')];
    alice.send('|to whom?');
    expect(await alice.next()).toMatch(/^error: NO_RECIPIENT: /);
    alice.send('bob|one');
    alice.send('|two');
    alice.send('carol|three');
    alice.send('  |four');
    expect(await bob.take(2)).toEqual(['one', 'two']);
    expect(await carol.take(2)).toEqual(['three', 'four']);
    alice.send('bo\u200bb|five');
    alice.send('|not for carol');
    expect(await alice.next()).toMatch(/^error: BAD_RECIPIENT: /);
    expect(await alice.next()).toMatch(/^error: NO_RECIPIENT: /);
    const again = await chat.connect('alice');
    again.send('|another connection knows no recipient');
    expect(await again.next()).toMatch(/^error: NO_RECIPIENT: /);
  });

  it('broadcasts a line without a bar to everybody, its sender included', async () => {
    const all = [await chat.connect('alice'), await chat.connect('bob'), await chat.connect('carol')];
    all[0]!.send('hello all');
    all[0]!.send('');
    for (const client of all) expect(await client.take(2)).toEqual(['hello all', '']);
  });

  it('never stores a broadcast', async () => {
    const [alice, carol] = [await chat.connect('alice'), await chat.connectJson('carol')];
    carol.sendJson('broadcast', { id: 'b1', content: 'hello all' });
    expect(await alice.next()).toBe('hello all');
    await carol.until('receipts'); // Of several nodes, each has written it to those who were connected.
    const bob = await chat.connect('bob');
    await bob.expectNothingElse('bob');
  });

  it('reads a binary frame as UTF-8, and closes with 1007 when it is not', async () => {
    const [alice, bob] = [await chat.connect('alice'), await chat.connect('bob')];
    alice.send(Buffer.from('bob|bînary'));
    expect(await bob.next()).toBe('bînary');
    alice.send(Buffer.from([0x62, 0x6f, 0x62, 0x7c, 0xff]));
    await alice.expectClose(1007);
    await bob.expectNothingElse('bob');
  });

  alone('order').it('hands over delayed messages with their time, in order, before anything live', async () => {
    const alice = await chat.connect('alice');
    for (let n = 1; n <= 150; n += 1) alice.send(`bob|${n}`);
    await chat.untilPending('bob', 150);
    const bob = await chat.connect('bob');
    alice.send('bob|live');
    alice.send('to all');
    const frames = await bob.take(152);
    expect(frames.slice(0, 150).map((frame) => frame.replace(TIME, ''))).toEqual(
      Array.from({ length: 150 }, (_, index) => String(index + 1)),
    );
    expect(frames[150]!.replace(TIME, '')).toBe('live');
    expect(frames[151]).toBe('to all');
  });

  it('refuses what it can not take, keeps the connection open and loses nothing', async () => {
    const [alice, bob] = [await chat.connect('alice'), await chat.connect('bob')];
    alice.send('bo\u200bb|x');
    expect(await alice.next()).toMatch(/^error: BAD_RECIPIENT: /);
    alice.send(`bob|${'x'.repeat(4_097)}`);
    expect(await alice.next()).toMatch(/^error: CONTENT_TOO_LARGE: .*4097.*4096/);
    alice.send(`bob|${'é'.repeat(2_048)}`);
    expect(await bob.next()).toBe('é'.repeat(2_048));
    alice.send('bob|still here');
    expect(await bob.next()).toBe('still here');
  });

  it('closes with 1009 on a frame over the frame limit', async () => {
    const alice = await chat.connect('alice');
    alice.send(`bob|${'x'.repeat(8_192)}`);
    await alice.expectClose(1009);
  });

  it('takes what arrives in fragments as one message', async () => {
    const [alice, bob] = [await chat.connect('alice'), await chat.connect('bob')];
    const parts = ['bo', 'b|', 'in ', 'pieces ', 'ü'];
    for (const [index, part] of parts.entries()) alice.socket.send(part, { fin: index === parts.length - 1 });
    expect(await bob.next()).toBe('in pieces ü');
  });

  it('confirms by the pong that every client sends, and by nothing else', async () => {
    const [alice, bob] = [await chat.connect('alice'), await chat.connect('bob', { autoPong: false })];
    const nonces: Buffer[] = [];
    bob.socket.on('ping', (nonce: Buffer) => nonces.push(nonce));
    alice.send('bob|unconfirmed');
    expect(await bob.next()).toBe('unconfirmed');
    await eventually(() => nonces.length > 0);
    bob.socket.pong('guess');
    bob.socket.pong(Buffer.alloc(16));
    await bob.drop();
    await chat.untilPending('bob', 1);
    // A listener of `ws` might be too late for a ping that comes together with the handshake.
    const again = await RawClient.open(chat.port, '/chat?user=bob');
    expect((await again.nextFrame())!.payload.toString()).toMatch(/Z:unconfirmed$/);
    const ping = (await again.nextFrame())!;
    expect(ping.opcode).toBe(PING);
    // A nonce of an earlier connection confirms nothing on this one.
    for (const frame of [RawClient.frame(nonces[0]!, PONG), RawClient.frame(Buffer.from('alice|marker'))])
      await again.write(frame);
    expect(await alice.next()).toBe('marker');
    expect(await chat.delivery.pendingOf('bob')).toBe(1);
    await again.write(RawClient.frame(ping.payload, PONG));
    await chat.untilPending('bob', 0);
    again.reset();
    await chat.untilTotals({ confirmed: 2 }); // With the marker.
  });
});
