import type { WireConversation, WireMessage, WireRecorded } from '../../src/protocol/wire.js';
import { createClient, type RecordClientOptions } from '../src/record/index.js';
import { FakeServer, SENT_AT, type FakeSocket } from './fake-server.js';
import { settle } from './stage.js';

/** Position number n, as text. */
export const at = (n: number): string => String(n).padStart(4, '0');

/** What a server has recorded for alice. It answers what it is asked. */
export class FakeRecord {
  readonly items: WireRecorded[] = [];
  readonly marks = new Map<string, Partial<WireConversation>>();
  /** The cursor is how many items there were; before this one nothing is kept. */
  keptFrom = 0;

  /** Records a message; `from` alice it is one of her own. */
  add(n: number, from: string, to = 'alice', content = `message ${n}`): WireRecorded {
    const item = { position: at(n), id: `id-${n}`, from, to, content, sentAt: SENT_AT };
    this.items.push(item);
    return item;
  }

  answer(socket: FakeSocket, frame: FakeSocket['sent'][number]): void {
    const { event, data } = frame;
    if (event === 'sync') {
      const { id, after, limit = 50 } = data;
      const from = after === undefined ? this.items.length : Number(after);
      const items = this.items.slice(from, from + limit);
      const end = from + items.length;
      const complete = after !== undefined && from >= this.keptFrom;
      socket.say('sync', { id, items, after: String(end), more: end < this.items.length, complete });
    } else if (event === 'history') {
      const { id, before, after, limit = 50 } = data;
      const all = this.of(data.with);
      const beside = all.filter(({ position }) => !(before && position >= before) && !(after && position <= after));
      const items = after === undefined ? beside.slice(-limit) : beside.slice(0, limit);
      const isBeside = (test: (position: string) => boolean) => all.some(({ position }) => test(position));
      const [first, last] = [items[0]?.position ?? before ?? '', items.at(-1)?.position ?? after ?? ''];
      const beforeIt = isBeside((position) => position < first) ? first : null;
      const afterIt = isBeside((position) => position > last) ? last : null;
      socket.say('history', { id, items, before: beforeIt, after: items.length > 0 ? afterIt : null });
    } else if (event === 'conversations') {
      const { id, before, limit = 50 } = data;
      const all = this.conversations().filter(({ newest }) => !before || newest < before);
      const items = all.slice(0, limit);
      socket.say('conversations', { id, items, before: all.length > limit ? items.at(-1)!.newest : null });
    } else if (event === 'read') {
      this.marks.set(data.with, { ...this.marks.get(data.with), read: data.upTo });
    }
  }

  of(name: string): WireRecorded[] {
    const own = this.items.filter(({ from, to }) => (from === 'alice' ? to : from) === name);
    return own.toSorted((a, b) => (a.position < b.position ? -1 : 1));
  }

  private conversations(): WireConversation[] {
    const names = new Set(this.items.map(({ from, to }) => (from === 'alice' ? to : from)));
    const all = [...names].map((name): WireConversation => {
      const last = this.of(name).at(-1)!;
      const marks = { delivered: null, read: null, peerDelivered: null, peerRead: null, ...this.marks.get(name) };
      const isUnread = ({ from, position }: WireRecorded) => from === name && position > (marks.read ?? '');
      return { with: name, newest: last.position, last, unread: this.of(name).filter(isUnread).length, ...marks };
    });
    return all.toSorted((a, b) => (a.newest > b.newest ? -1 : 1));
  }
}

/** A client of the record at a fake server, on fake timers. */
export function recordStage(options: Partial<RecordClientOptions> = {}, record = new FakeRecord()) {
  const server = new FakeServer();
  server.answer = (socket, frame) => record.answer(socket, frame);
  const { WebSocket } = server;
  const client = createClient({ url: 'ws://chat.test/chat', user: 'alice', store: 'memory', WebSocket, ...options });
  const errors: unknown[] = [];
  client.on('error', ({ error, about }) => errors.push([about, (error as { code?: string }).code ?? error]));
  return {
    server,
    client,
    record,
    errors,
    /** Connects, and is welcomed by a server that records. */
    online: async (welcome: Parameters<FakeSocket['welcome']>[0] = {}) => {
      client.connect();
      await settle();
      server.last.welcome({ recordMs: 86_400_000, ...welcome });
      await settle();
      return server.last;
    },
    /** A recorded message comes live. */
    live: async (item: WireRecorded, changes: Partial<WireMessage> = {}) => {
      server.last.message(item.id, { ...item, ...changes });
      await settle();
    },
    /** What is known of a conversation: the numbers of its messages. */
    known: (name: string) => client.conversation(name).messages.map(({ position }) => Number(position)),
    /** The questions on the wire of the last connection, in short. */
    asked: () =>
      server.last.sent.flatMap(({ event, data }) => {
        if (event !== 'history' && event !== 'sync' && event !== 'conversations') return [];
        const { with: name, after, before } = data as { with?: string; after?: string; before?: string };
        return [[event, name, after && `after ${after}`, before && `before ${before}`].filter(Boolean).join(' ')];
      }),
  };
}
