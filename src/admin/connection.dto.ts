import { z } from 'zod';
import type { Connection } from '../connections/connection.js';
import { toIsoTime } from '../protocol/message.js';
import { connectionId, cursorOf, pageLimit, pageOf, time, userName } from './fields.js';

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

export const connectionPage = pageOf(connectionDto, 'Open connections, of this user if one is named.');

export function toConnectionDto(connection: Connection, inFlight: number): z.infer<typeof connectionDto> {
  return {
    id: connection.id,
    user: connection.user,
    protocol: connection.protocol,
    remoteAddress: connection.remoteAddress,
    connectedAt: toIsoTime(connection.connectedAt),
    lastSeenAt: toIsoTime(connection.lastSeenAt),
    sent: connection.sent,
    received: connection.received,
    inFlight,
    bufferedBytes: connection.bufferedBytes,
  };
}
