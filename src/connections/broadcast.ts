import type { ServerCodec } from '../protocol/frames.js';
import type { Message, MessageExtras } from '../protocol/message.js';
import { textFrame } from './outbox.js';

/**
 * A message to everybody who is connected. It is framed once: framing it for each of 1,000 connections took a third of
 * its cost.
 */
export class Broadcast implements Omit<Message, 'to'> {
  private text: Buffer | null = null;
  private json: Buffer | null = null;

  constructor(
    readonly id: string,
    readonly from: string,
    readonly content: string,
    /** When the server accepted it, in milliseconds since 1970. */
    readonly sentAt: number,
    /** Only its meta. */
    readonly extras?: MessageExtras,
  ) {}

  /** Returns its frame in the protocol of this codec. */
  frameFor(codec: ServerCodec): Buffer {
    if (codec.protocol === 'text') return (this.text ??= textFrame(codec.broadcast(this)));
    return (this.json ??= textFrame(codec.broadcast(this)));
  }
}
