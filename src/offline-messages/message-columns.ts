import { URGENCIES } from '../protocol/message-extras.js';
import type { MessageExtras } from '../protocol/message.js';

/** What is read of a row without its content. */
export const HEADER = `recipient AS mailbox, recipient AS "to", sender AS "from", id, position, bytes, "sentAt"`;

/** The extras as the columns of a row; null for each that is missing. */
export type ExtrasColumns = [
  meta: string | null,
  expiresAt: number | null,
  topic: string | null,
  urgency: number | null,
  recordPosition: number | null,
];

export function toColumns({ meta, expiresAt, topic, urgency, position }: MessageExtras): ExtrasColumns {
  const rank = urgency === undefined ? null : URGENCIES.indexOf(urgency);
  return [meta ?? null, expiresAt ?? null, topic ?? null, rank, position ?? null];
}

export function fromColumns([meta, expiresAt, topic, urgency, position]: ExtrasColumns): MessageExtras {
  return {
    meta: meta ?? undefined,
    expiresAt: expiresAt ?? undefined,
    topic: topic ?? undefined,
    urgency: urgency === null ? undefined : URGENCIES[urgency],
    position: position ?? undefined,
  };
}
