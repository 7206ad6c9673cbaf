import { z } from 'zod';
import { ERROR_CODES } from '../protocol/chat-error.js';
import { MESSAGE_ID } from '../protocol/message.js';
import { TOPIC, URGENCIES } from '../protocol/message-extras.js';
import { POSITION } from '../protocol/position.js';
import { SIGNAL_KIND } from '../protocol/signal.js';
import { MAX_RECORD_PAGE } from '../protocol/record-request.js';
import { MAX_USER_NAME_BYTES } from '../protocol/user-name.js';
import type { ClientEvents, ErrorCode, ServerEvents } from '../protocol/wire.js';

// The data of each frame of the JSON protocol, for the AsyncAPI document. The server itself checks frames by hand; the
// tests hold every frame that it writes against these schemas, and the types of both against those of wire.ts.

const user = z.string().min(1).max(MAX_USER_NAME_BYTES).describe('A user name, of at most 128 bytes of UTF-8.');
const id = z.string().regex(MESSAGE_ID).describe('The id of a message: the one of its sender, or one of the server.');
const ownId = id.describe('Left out, the server makes one. A repeat with the same id is not accepted twice.');
const content = z.string().describe('At most `maxContentBytes` in UTF-8, which `welcome` says.');
const meta = z
  .record(z.string(), z.unknown())
  .describe('What the application adds to the content: at most `maxMetaBytes` as JSON, which `welcome` says.');
const topic = z
  .string()
  .regex(TOPIC)
  .describe('A message replaces the one that waits with the same sender, recipient and topic.');
const urgency = z.enum(URGENCIES).describe('Left out, it is `normal`. It never changes the order.');
const time = z.string().meta({ format: 'date-time', examples: ['2026-11-23T09:30:00.000Z'] });
const kind = z.string().regex(SIGNAL_KIND).describe('What it says, such as `composing`.');
const signalData = z.unknown().optional().describe('A value of up to 1,024 bytes as JSON.');
const count = z.int().min(0);
const position = z.string().regex(POSITION).describe('Where a message stands in its conversation; sorts as text.');
const mark = position.nullable().describe('The position up to which it goes; null before the first.');
const place = position.describe('A position, as the server has given it.');
const limit = z.int().min(1).max(MAX_RECORD_PAGE).optional().describe('Items on a page; 50 if left out.');
const call = id.describe('The answer has the same id.');
const cursor = z.string().describe('A cursor of an earlier `sync`.');
const rate = z.number().positive().nullable().describe('In a second; null when there is no limit.');

/** What a client sends, by event. */
export const CLIENT_DATA = {
  send: z
    .object({
      to: user,
      content,
      id: ownId.optional(),
      meta: meta.optional(),
      ttl: count
        .describe('Seconds from the acceptance, after which it is not delivered; 0: only to a connection there is now.')
        .optional(),
      topic: topic.optional(),
      urgency: urgency.optional(),
    })
    .describe('Sends a message to one user.'),
  broadcast: z
    .object({ content, id: ownId.optional(), meta: meta.optional() })
    .describe('Sends to everybody who is connected now.'),
  signal: z
    .object({ to: user, kind, data: signalData })
    .describe('Says something to the connections that a user has now; it is never stored.'),
  ack: z.object({ seq: count }).describe('Confirms every message of this connection up to this `seq`.'),
  ping: z.object({}).describe('Asks whether the server is there.'),
  renew: z.object({ token: z.string() }).describe('Brings a new bearer token of the same user.'),
  history: z
    .object({ id: call, with: user, before: place.optional(), after: place.optional(), limit })
    .describe('Asks for a page of a recorded conversation.'),
  sync: z
    .object({ id: call, after: cursor.optional(), limit })
    .describe('Asks for what was recorded since a cursor, received and sent; without one for the cursor of now.'),
  conversations: z
    .object({ id: call, before: place.optional(), limit })
    .describe('Asks for the recorded conversations of this user, the newest first.'),
  read: z.object({ with: user, upTo: place }).describe('This user has read the conversation up to this position.'),
} satisfies Record<keyof ClientEvents, z.ZodType>;

const recorded = z.object({
  position,
  id,
  from: user,
  to: user,
  content: z.string().describe('Empty when it was erased.'),
  meta: meta.optional(),
  sentAt: time,
  erased: z.literal(true).optional(),
});

/** What the server sends, by event. */
export const SERVER_DATA = {
  welcome: z
    .object({
      user,
      connectionId: z.string(),
      pending: count.nullable().describe('Messages that wait for this user; null if the store cannot be read.'),
      ackWindow: count.describe('How many messages are written before one has to be confirmed.'),
      maxContentBytes: count.describe('Of the content and its meta together.'),
      maxMetaBytes: count.describe('Of the meta as JSON; 0 when the server takes none.'),
      heartbeatMs: count,
      framesPerSecond: rate,
      frameBurst: count.describe('How many messages may be sent at once.'),
      broadcastsPerSecond: rate,
      signalsPerSecond: rate,
      recordMs: count.nullable().describe('How long messages are recorded; null when they are not.'),
      serverTime: time,
    })
    .describe('The first frame: who is connected, and the limits of the server.'),
  message: z
    .object({
      seq: count.optional().describe('Counts the direct messages of this connection; a broadcast has none.'),
      id,
      from: user,
      to: user.describe('The user, or `*` of a broadcast.'),
      content: z.string(),
      sentAt: time,
      stored: z.boolean().describe('Whether it had to wait, in the store or behind others.'),
      meta: meta.optional(),
      expiresAt: time.optional().describe('When it is worth nothing any more; only of a message with a `ttl`.'),
      topic: topic.optional(),
      urgency: urgency.optional(),
      position: position.optional(),
      echo: z
        .literal(true)
        .optional()
        .describe('This user has sent it, from another connection; there is no `seq`, and nothing to confirm.'),
    })
    .describe('A message to this user, or a broadcast.'),
  signal: z.object({ from: user, kind, data: signalData }).describe('What a user does now: at most once, never late.'),
  receipts: z
    .array(
      z.object({
        id,
        status: z.enum(['delivered', 'stored', 'broadcast', 'absent']),
        sentAt: time,
        recipients: count.optional().describe('Only of a broadcast: to how many connections it went.'),
        position: position.optional(),
      }),
    )
    .describe('What was accepted of what this connection has sent.'),
  endings: z
    .array(z.object({ id, to: user, end: z.enum(['delivered', 'expired', 'purged', 'evicted', 'replaced']) }))
    .describe('What became of messages of this user that were `stored`: a hint, at most once.'),
  'caught-up': z
    .object({ delivered: count })
    .describe('All that waited at the connect was written; what follows is new.'),
  pong: z.object({}).describe('The reply to a `ping`.'),
  renewed: z
    .object({ expiresAt: time.nullable().describe('When the connection ends now; null when it does not.') })
    .describe('The new token is good.'),
  exception: z
    .object({
      status: z.literal('error'),
      code: z.enum(Object.keys(ERROR_CODES) as ErrorCode[]),
      message: z.string().describe('What happened, and what to do.'),
      temporary: z.boolean().describe('Whether the same frame may succeed later.'),
      scope: z.enum(['mailbox', 'sender', 'conversations']).optional().describe('Only of SENDER_QUOTA.'),
      id: id.optional(),
    })
    .describe('Why a frame was refused.'),
  history: z
    .object({
      id: call,
      items: z.array(recorded).describe('Oldest first.'),
      before: position.nullable().describe('Asks for the older page; null when there is none.'),
      after: position.nullable().describe('Asks for the newer page; null when there is none.'),
    })
    .describe('The reply to a `history`.'),
  sync: z
    .object({
      id: call,
      items: z.array(recorded).describe('In the order in which they were recorded.'),
      after: z.string().describe('The cursor of the next `sync`, to be kept.'),
      more: z.boolean().describe('Whether more is there already.'),
      complete: z
        .boolean()
        .describe('False when something since the cursor is not kept any more, or no cursor was given.'),
    })
    .describe('The reply to a `sync`.'),
  conversations: z
    .object({
      id: call,
      items: z.array(
        z.object({
          with: user,
          newest: position.describe('The position of its newest message.'),
          last: recorded.nullable().describe('Its newest message; null when it is not kept any more.'),
          unread: count.describe(
            'Messages of the other side behind `read`, without what was erased; 1,000 stands for that and more.',
          ),
          delivered: mark,
          read: mark,
          peerDelivered: mark,
          peerRead: mark,
        }),
      ),
      before: position.nullable().describe('Asks for the next page; null when there is none.'),
    })
    .describe('The reply to `conversations`, the newest first.'),
  mark: z
    .object({
      with: user.describe('The other side of the conversation.'),
      user: user.describe("Whose mark has moved: that of the other side, or one's own."),
      delivered: position.optional(),
      read: position.optional(),
    })
    .describe('How far a user has got a conversation, or has read it. It never goes back.'),
} satisfies Record<keyof ServerEvents, z.ZodType>;
