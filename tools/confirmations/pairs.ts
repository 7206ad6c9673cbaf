import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { eventually, withDeadline } from '../../test/support/deadline.js';
import type { ServerProcess } from '../../test/support/server-process.js';
import { SlowLink } from './slow-link.js';

/** Pairs of which the recipients stay. */
const STAYING_PAIRS = 50;
/** Pairs of which the recipients leave and come again. */
const LEAVING_PAIRS = 10;
/** The silence before a burst, in milliseconds. */
const SILENCE_MS = 500;
/** Milliseconds between two messages of a burst. */
const GAP_MS = 10;
/** The server collects its metrics once a second at most. */
export const LEAST_SECONDS = 2;

export interface Share {
  readonly roundTripMs: number;
  readonly messages: number;
  /** Of the messages, those that were stored, or that came again. */
  readonly counted: number;
}

/** How the recipients get messages and leave. */
export interface Visits {
  /** The protocol of the sender. One of text is told no receipts. */
  readonly sender: 'text' | 'json';
  readonly burst: number;
  readonly leaving: 'closes' | 'breaks off';
  readonly leaveAfterMs: number;
}

/** Names are new in each measurement, so that none finds what an earlier one has left. */
let measurements = 0;

/**
 * Text clients write to text clients behind a slow link, at random times; counts the messages that the server stored
 * because they were not confirmed in time.
 */
export async function countStored(
  server: ServerProcess,
  perSecond: number,
  roundTripMs: number,
  seconds: number,
): Promise<Share> {
  const prefix = `m${++measurements}`;
  const link = await SlowLink.start(server.socketUrl, roundTripMs);
  const pairs = await Promise.all(
    Array.from({ length: STAYING_PAIRS }, async (_, pair) => {
      const to = `${prefix}-${pair}-b`;
      return { to, recipient: await open(link.url, to), sender: await open(server.socketUrl, `${prefix}-${pair}-a`) };
    }),
  );
  const before = await storedSoFar(server);
  const end = performance.now() + seconds * 1_000;
  const sent = await Promise.all(
    pairs.map(async ({ to, sender }) => {
      for (let count = 0; ; count += 1) {
        const pauseMs = (-Math.log(1 - Math.random()) * 1_000) / perSecond;
        if (performance.now() + pauseMs > end) return count;
        await delay(pauseMs);
        sender.send(`${to}|${count}`);
      }
    }),
  );
  await settled(server);
  const counted = (await storedSoFar(server)) - before;
  for (const { recipient, sender } of pairs) for (const socket of [recipient, sender]) socket.terminate();
  await link.close();
  return { roundTripMs, messages: sent.reduce((sum, count) => sum + count, 0), counted };
}

/**
 * A text client behind a slow link gets a burst after a silence, leaves `leaveAfterMs` after its last message and
 * connects again; counts the messages that come a second time.
 */
export async function countRepeated(
  server: ServerProcess,
  { sender: protocol, burst, leaving, leaveAfterMs }: Visits,
  roundTripMs: number,
  seconds: number,
): Promise<Share> {
  const prefix = `m${++measurements}`;
  const link = await SlowLink.start(server.socketUrl, roundTripMs);
  const end = performance.now() + seconds * 1_000;
  const seen = new Set<string>();
  let messages = 0;
  let counted = 0;
  const leave = (socket: WebSocket) => (leaving === 'closes' ? socket.close() : socket.terminate());

  /** Connects, and leaves after that message has come; stays if there is none. */
  const visit = (user: string, last: string | null): Promise<WebSocket> =>
    open(link.url, user, [], (frame, socket) => {
      const content = frame.slice(frame.lastIndexOf(':') + 1); // A delayed one has its time before it.
      if (seen.has(content)) counted += 1;
      seen.add(content);
      if (content !== last) return;
      // Without a timer it leaves before it can answer the ping that came with the message.
      if (leaveAfterMs === 0) leave(socket);
      else setTimeout(leave, leaveAfterMs, socket);
    });

  const sockets = await Promise.all(
    Array.from({ length: LEAVING_PAIRS }, async (_, pair) => {
      const from = `${prefix}-${pair}-a`;
      const sender = await open(server.socketUrl, from, protocol === 'json' ? ['chat.v1.json'] : []);
      const opened = [sender];
      await delay(Math.random() * SILENCE_MS); // Not all pairs at once.
      for (let visits = 1; performance.now() < end; visits += 1) {
        const to = `${prefix}-${pair}-b${visits}`; // One name may not be taken over so often.
        const recipient = await visit(to, `${to}-${burst}`);
        const closed = once(recipient, 'close');
        await delay(SILENCE_MS);
        for (let number = 1; number <= burst; number += 1) {
          if (number > 1) await delay(GAP_MS);
          const content = `${to}-${number}`;
          sender.send(
            protocol === 'json' ? JSON.stringify({ event: 'send', data: { to, content } }) : `${to}|${content}`,
          );
        }
        messages += burst;
        await withDeadline(closed, () => `${to} gets its messages and leaves`);
        opened.push(await visit(to, null));
      }
      return opened;
    }),
  );
  await settled(server);
  for (const socket of sockets.flat()) socket.terminate();
  await link.close();
  if (seen.size !== messages) throw new Error(`${messages - seen.size} of ${messages} messages never came`);
  return { roundTripMs, messages, counted };
}

async function open(
  url: string,
  user: string,
  protocols: string[] = [],
  onFrame: (frame: string, socket: WebSocket) => void = () => undefined,
): Promise<WebSocket> {
  const socket = new WebSocket(`${url}?user=${user}`, protocols);
  socket.on('message', (data: Buffer) => onFrame(data.toString(), socket));
  await withDeadline(once(socket, 'open'), () => `${user} connects`);
  socket.on('error', () => undefined); // 'close' follows.
  return socket;
}

/** Waits until the recipients have confirmed everything. */
async function settled({ url }: ServerProcess): Promise<void> {
  await eventually(async () => {
    const { messages } = (await (await fetch(`${url}/chat/stats`)).json()) as { messages: Record<string, number> };
    return messages['pending'] === 0 && messages['inFlight'] === 0;
  });
}

/** Returns how many messages were committed since the server started. */
async function storedSoFar({ url }: ServerProcess): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const rows = /^holdfast_store_commit_rows_sum\{statement="insert"\} (\d+)$/m.exec(metrics)?.[1];
  if (rows === undefined) throw new Error('/metrics does not tell how many rows were inserted');
  return Number(rows);
}
