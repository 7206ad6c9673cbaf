import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReplayCheck, type Sighting, type Verdict } from '../../tools/replay/check.js';
import type { Protocol } from '../../tools/replay/client.js';
import { parseChannelLog, withSleepers, type ChannelLog } from '../../tools/replay/channel-log.js';
import { replay } from '../../tools/replay/player.js';
import { ServerProcess } from '../support/server-process.js';

const PATH = join(import.meta.dirname, '../data/ubuntu-2007-01-12.raw.txt');
const NO_FAULT = { lost: 0, duplicated: 0, reordered: 0, refused: 0, unexpected: 0, faults: [] };

describe('replay: a real channel through the built server', () => {
  let folder: string;
  let server: ServerProcess;
  let log: ChannelLog;

  beforeAll(async () => {
    log = parseChannelLog(await readFile(PATH, 'utf8'));
    folder = await mkdtemp(join(tmpdir(), 'holdfast-replay-'));
    // With the default limits of the server.
    const limits = {
      CHAT_FRAMES_PER_SECOND: '20',
      CHAT_BROADCASTS_PER_SECOND: '1',
      CHAT_CONNECTIONS_PER_ADDRESS: '50',
    };
    server = await ServerProcess.start({ ...limits, DATABASE_URL: `sqlite:${join(folder, 'x.sqlite')}` });
  });

  afterAll(async () => {
    await server?.kill();
    await rm(folder, { recursive: true, force: true });
  });

  it.each<Protocol>(['text', 'json'])(
    'brings every direct message of the log once and in order, in %s',
    async (protocol) => {
      const report = await replay(log, { url: server.socketUrl, protocol });
      expect(report).toMatchObject({ ...NO_FAULT, direct: 210, broadcast: 893, users: 317, ignoredLines: 19 });
      expect(report.live + report.delayed).toBe(210);
      expect(report.broadcastArrivals).toBeGreaterThan(10_000);
      if (protocol === 'json') expect(report.receipts).toBe(1_103);
    },
  );

  it.each<Protocol>(['text', 'json'])(
    'brings what was sent to sleeping clients with its delay, in %s',
    async (protocol) => {
      const report = await replay(withSleepers(log, 5), { url: server.socketUrl, protocol });
      expect(report).toMatchObject({ ...NO_FAULT, direct: 210, broadcast: 893 });
      expect(report.live + report.delayed).toBe(210);
      // 129 are sent to somebody who is away. Who comes back while one is under way may get it live.
      expect(report.delayed).toBeGreaterThan(100);
    },
  );

  it('refuses a server in which messages wait already', async () => {
    const body = JSON.stringify({ from: 'alice', to: 'bob', content: 'you are away' });
    const headers = { 'Content-Type': 'application/json' };
    const posted = await fetch(`${server.url}/chat/messages`, { method: 'POST', headers, body });
    expect(posted.status).toBe(201);
    await expect(replay(log, { url: server.socketUrl, protocol: 'text' })).rejects.toThrow('1 messages wait');
  });

  it('leaves a server that ends with 0 when it is told to', async () => {
    expect(await server.stop('SIGTERM')).toBe(0);
    expect(server.stderr).toBe('');
  });
});

describe('replay: the reading of a log', () => {
  const read = (...lines: string[]) => parseChannelLog(lines.map((line) => `${line}\n`).join(''));

  it('takes for direct only what begins with a nick of the log, a colon and a space', () => {
    const { events } = read(
      '[09:00] <ann> bob: ls | grep: x',
      '[09:00] <bob> ann, hi',
      '[09:00] <bob> ann:hi',
      '[09:01] <bob> Ann: hi',
      '[09:01] <bob> Mem: 12 | 7',
      '[09:01] <bob> ann:  two spaces',
    );
    expect(events).toEqual([
      { type: 'direct', line: 1, from: 'ann', to: 'bob', content: 'ls | grep: x' },
      { type: 'broadcast', line: 2, from: 'bob', content: 'ann, hi' },
      { type: 'broadcast', line: 3, from: 'bob', content: 'ann:hi' },
      { type: 'broadcast', line: 4, from: 'bob', content: 'Ann: hi' },
      { type: 'broadcast', line: 5, from: 'bob', content: 'Mem: 12 | 7' },
      { type: 'direct', line: 6, from: 'bob', to: 'ann', content: ' two spaces' },
    ]);
  });

  it('lets people join, leave and change their nick', () => {
    const log = read(
      '=== ||cw [n=cw@host]  has joined #ubuntu',
      '=== [mg] munin [n=m@host]  has joined #ubuntu',
      '[09:00] <ann> ||cw: hi',
      '=== ||cw is now known as cw|off',
      '=== [mg] munin [n=m@host]  has left #ubuntu ["Leaving"]',
      '=== stranger [n=s@host]  has left #ubuntu []',
      '=== ann waves === at everybody',
      '=== cw|off [n=cw@host]  has joined #ubuntu',
    );
    expect(log).toEqual({
      users: ['__cw', '[mg] munin', 'ann', 'cw_off', 'stranger'],
      presentBefore: ['ann'],
      events: [
        { type: 'join', line: 1, user: '__cw' },
        { type: 'join', line: 2, user: '[mg] munin' },
        { type: 'direct', line: 3, from: 'ann', to: '__cw', content: 'hi' },
        { type: 'leave', line: 4, user: '__cw' },
        { type: 'join', line: 4, user: 'cw_off' },
        { type: 'leave', line: 5, user: '[mg] munin' },
        { type: 'leave', line: 8, user: 'cw_off' },
        { type: 'join', line: 8, user: 'cw_off' },
      ],
      ignoredLines: 2,
    });
  });

  it('puts to sleep who has not spoken for a while, and wakes them for their next word', () => {
    const said = ['[09:00] <ann> one', '[09:00] <bob> two', '[09:00] <bob> three', '[09:00] <bob> four'];
    const { events } = withSleepers(read(...said, '[09:00] <ann> five'), 2);
    expect(events.map((event) => `${event.line} ${event.type}`)).toEqual([
      '1 broadcast',
      '2 broadcast',
      '3 broadcast',
      '4 leave',
      '4 broadcast',
      '5 join',
      '5 broadcast',
    ]);
  });
});

describe('replay: the check', () => {
  const sent = (line: number, from: string, to: string, content: string): Sighting => ({
    type: 'sent',
    message: { line, id: `m${line}`, from, to, content },
  });
  const text = (visit: number, frame: string): Sighting => ({ type: 'text', user: 'bob', visit, frame });
  const delayed = (visit: number, content: string) => text(visit, `2007-01-12T09:21:00.000Z:${content}`);
  const confirmed = (visit: number): Sighting => ({ type: 'confirmed', visit });
  const one = sent(1, 'ann', 'bob', 'one');
  const two = sent(2, 'ann', 'bob', 'two');
  const verdict = (protocol: Protocol, ...sightings: Sighting[]): Verdict => {
    const check = new ReplayCheck(protocol);
    for (const sighting of sightings) check.record(sighting);
    return check.verdict();
  };

  describe('of the text protocol', () => {
    const of = (...sightings: Sighting[]) => verdict('text', ...sightings);

    it('finds nothing in a good history', () => {
      const history = of(one, two, text(1, 'one'), confirmed(1), delayed(2, 'two'), confirmed(2));
      expect(history).toMatchObject({ ...NO_FAULT, direct: 2, live: 1, delayed: 1, repeated: 0 });
    });

    it('finds a lost message', () => {
      expect(of(one, two, text(1, 'two'))).toMatchObject({ lost: 1, faults: ['line 1 (ann to bob) is lost'] });
    });

    it('finds a message that came twice on one connection, live or delayed', () => {
      expect(of(one, text(1, 'one'), text(1, 'one'))).toMatchObject({ lost: 0, duplicated: 1 });
      expect(of(one, delayed(1, 'one'), delayed(1, 'one'))).toMatchObject({ lost: 0, duplicated: 1 });
    });

    it('finds a message that came again after its confirmation, and allows it before', () => {
      expect(of(one, text(1, 'one'), confirmed(1), delayed(2, 'one'))).toMatchObject({ duplicated: 1, repeated: 0 });
      expect(of(one, text(1, 'one'), delayed(2, 'one'))).toMatchObject({ ...NO_FAULT, repeated: 1 });
      expect(of(one, text(1, 'one'), text(2, 'one'))).toMatchObject({ duplicated: 1, repeated: 0 });
    });

    it('finds two messages in the wrong order, and asks none of different senders', () => {
      expect(of(one, two, text(1, 'two'), text(1, 'one'))).toMatchObject({ lost: 0, reordered: 1 });
      expect(of(one, two, text(1, 'two'), delayed(2, 'one'))).toMatchObject({ lost: 0, reordered: 1 });
      const other = sent(2, 'cyd', 'bob', 'two');
      expect(of(one, other, text(1, 'two'), text(1, 'one'))).toMatchObject(NO_FAULT);
    });

    it('finds repeats in the wrong order', () => {
      const left = [one, two, text(1, 'one'), text(1, 'two')];
      expect(of(...left, delayed(2, 'one'), delayed(2, 'two'))).toMatchObject({ ...NO_FAULT, repeated: 2 });
      expect(of(...left, delayed(2, 'two'), delayed(2, 'one'))).toMatchObject({ repeated: 2, reordered: 1 });
    });

    it('does not take a repeat for a new message of the same bytes', () => {
      const again = sent(3, 'ann', 'bob', 'one');
      expect(of(one, text(1, 'one'), again, delayed(2, 'one'))).toMatchObject({ lost: 1, repeated: 1 });
      expect(of(one, text(1, 'one'), again, delayed(2, 'one'), delayed(2, 'one'))).toMatchObject({
        ...NO_FAULT,
        repeated: 1,
      });
    });

    it('finds altered bytes', () => {
      expect(of(one, text(1, 'one '))).toMatchObject({ lost: 1, unexpected: 1 });
      expect(of(one, text(1, '2007-13-12T09:21:00.000Z:one'))).toMatchObject({ lost: 1, unexpected: 1 });
    });

    it('tells when a frame could be a direct message or a broadcast', () => {
      const everybody = sent(2, 'cyd', '*', 'one');
      expect(of(one, everybody, text(1, 'one'), text(1, 'one'))).toMatchObject({ ...NO_FAULT, ambiguous: 2 });
      expect(of(one, everybody, text(1, 'one'), text(1, 'one'), text(1, 'one'))).toMatchObject({ duplicated: 1 });
      expect(of(everybody, text(1, 'one'), one)).toMatchObject({ lost: 1, ambiguous: 0 });
    });

    it('finds a broadcast that came twice, and a refusal', () => {
      expect(of(sent(1, 'ann', '*', 'hi'), text(1, 'hi'), text(1, 'hi'))).toMatchObject({ unexpected: 1 });
      expect(of(text(1, 'error: MAILBOX_FULL: try later'))).toMatchObject({ refused: 1, unexpected: 0 });
    });
  });

  describe('of the JSON protocol', () => {
    const of = (...sightings: Sighting[]) => verdict('json', ...sightings);
    const json = (visit: number, seq: number, line: number, content: string, stored = false): Sighting => ({
      type: 'json',
      user: 'bob',
      visit,
      message: { seq, id: `m${line}`, from: 'ann', to: 'bob', content, sentAt: '2007-01-12T09:21:00.000Z', stored },
    });
    const receipt = (line: number, status: string): Sighting => ({
      type: 'receipt',
      user: 'ann',
      id: `m${line}`,
      status,
    });

    it('finds nothing in a good history', () => {
      const came = [one, two, json(1, 1, 1, 'one'), confirmed(1), receipt(1, 'delivered'), receipt(2, 'stored')];
      expect(of(...came, json(2, 1, 2, 'two', true))).toMatchObject({ ...NO_FAULT, live: 1, delayed: 1, receipts: 2 });
    });

    it('finds lost, doubled and swapped messages', () => {
      const both = [one, two, receipt(1, 'stored'), receipt(2, 'stored')];
      expect(of(...both, json(1, 1, 2, 'two'))).toMatchObject({ lost: 1, duplicated: 0, reordered: 0, unexpected: 0 });
      const doubled = [json(1, 1, 1, 'one'), json(1, 2, 1, 'one'), json(1, 3, 2, 'two')];
      expect(of(...both, ...doubled)).toMatchObject({ lost: 0, duplicated: 1, reordered: 0, unexpected: 0 });
      const swapped = [json(1, 1, 2, 'two'), json(1, 2, 1, 'one')];
      expect(of(...both, ...swapped)).toMatchObject({ lost: 0, duplicated: 0, reordered: 1, unexpected: 0 });
    });

    it('finds altered messages and a gap in the seq', () => {
      const sentOne = [one, receipt(1, 'stored')];
      expect(of(...sentOne, json(1, 1, 1, 'One'))).toMatchObject({ lost: 1, unexpected: 1 });
      expect(of(...sentOne, json(1, 2, 1, 'one'))).toMatchObject({ lost: 0, live: 1, unexpected: 1 });
      expect(of(...sentOne, json(1, 1, 1, 'one'), json(1, 2, 7, 'who'))).toMatchObject({ lost: 0, unexpected: 1 });
    });

    it('finds a receipt that is missing, doubled, or given before the confirmation', () => {
      const came = [one, json(1, 1, 1, 'one')];
      expect(of(...came, confirmed(1))).toMatchObject({
        lost: 0,
        unexpected: 1,
        faults: ['1 messages have no receipt'],
      });
      expect(of(...came, receipt(1, 'stored'), receipt(1, 'stored'))).toMatchObject({ unexpected: 1 });
      expect(of(...came, receipt(1, 'delivered'), confirmed(1))).toMatchObject({ unexpected: 1 });
    });
  });
});
