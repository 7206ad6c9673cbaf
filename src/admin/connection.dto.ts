import { z } from 'zod';
import type { Connection } from '../connections/connection.js';
import { toIsoTime } from '../protocol/message.js';
import { cursorOf, pageLimit, userName } from './input.js';

export const connectionQuery = z.object({
  user: userName.optional(),
  limit: pageLimit,
  cursor: cursorOf(z.string()).optional(),
});

export const connectionDto = z.object({
  id: z.string(),
  user: z.string(),
  protocol: z.enum(['text', 'json']),
  remoteAddress: z.string(),
  connectedAt: z.string(),
  lastSeenAt: z.string().describe('When a frame or a pong last came from it.'),
  sent: z.number().describe('Messages and broadcasts written to it.'),
  received: z.number().describe('Frames that came from it.'),
  inFlight: z.number().describe('Messages written to it that it has not confirmed.'),
  bufferedBytes: z.number().describe('Bytes that wait to leave.'),
});

export const connectionPage = z.object({
  items: z.array(connectionDto),
  total: z.number(),
  nextCursor: z.string().nullable(),
});

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
