import { z } from 'zod';
import { toIsoTime } from '../protocol/message.js';
import { connectionId, cursorOf, pageLimit, pageOf, time, userName } from './fields.js';
import type { SeenConnection } from './whole-chat.js';

export const connectionQuery = z.object({
  user: userName.optional(),
  limit: pageLimit,
  cursor: cursorOf(z.string()),
});

export const connectionDto = z.object({
  id: connectionId,
  user: z.string().meta({ example: 'bob' }),
  protocol: z.enum(['text', 'json']),
  remoteAddress: z.string().meta({ example: '192.0.2.7' }),
  connectedAt: time,
  lastSeenAt: time.describe('When the last frame or pong came from it.'),
  sent: z.number().meta({ description: 'Messages and broadcasts written to it.', example: 12 }),
  received: z.number().meta({ description: 'Frames that came from it.', example: 9 }),
  inFlight: z.number().meta({ description: 'Messages written to it that it has not confirmed.', example: 1 }),
  bufferedBytes: z.number().meta({ description: 'Bytes that are not sent yet.', example: 0 }),
});

export const connectionPage = pageOf(connectionDto, 'Open connections, of this user if one is named.').extend({
  missing: z
    .array(z.number())
    .optional()
    .describe('In a cluster: the nodes that did not answer within a second; their connections are left out.'),
});

export function toConnectionDto({
  id,
  user,
  protocol,
  remoteAddress,
  connectedAt,
  lastSeenAt,
  ...counters
}: SeenConnection): z.infer<typeof connectionDto> {
  const times = { connectedAt: toIsoTime(connectedAt), lastSeenAt: toIsoTime(lastSeenAt) };
  return { id, user, protocol, remoteAddress, ...times, ...counters };
}
