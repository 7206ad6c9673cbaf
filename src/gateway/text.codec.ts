import { errors, type ChatError } from '../protocol/chat-error.js';
import type { ServerCodec } from '../protocol/frames.js';
import { toIsoTime, type Message } from '../protocol/message.js';
import type { SendRequest } from '../protocol/send-request.js';
import { parseUserName } from '../protocol/user-name.js';

/**
 * The text protocol, for any WebSocket client without a library [protocol 3]. Each connection has its own, which
 * remembers the last recipient.
 */
export class TextCodec implements ServerCodec {
  readonly protocol = 'text';
  private lastRecipient: string | null = null;

  /**
   * Reads a frame of this user: `to|content`, `|content` for the last recipient, or a broadcast. Throws a ChatError.
   * The frame came as UTF-8, so it has no half characters.
   */
  decode(frame: Buffer, user: string): SendRequest {
    const text = frame.toString();
    const bar = text.indexOf('|');
    if (bar < 0) return { from: user, to: undefined, content: text, id: undefined };
    return { from: user, to: this.recipient(text.slice(0, bar)), content: text.slice(bar + 1), id: undefined };
  }

  private recipient(written: string): string {
    if (written.trim() !== '') {
      // An invalid name clears the last recipient: a `|content` that follows was not meant for the one before.
      this.lastRecipient = parseUserName(written);
      if (this.lastRecipient === null) throw errors.badName(written, 'the text before the first "|"');
    }
    if (this.lastRecipient === null) throw errors.noRecipient();
    return this.lastRecipient;
  }

  message(message: Message, _seq: number, delayed: boolean): string {
    return delayed ? `${toIsoTime(message.sentAt)}:${message.content}` : message.content;
  }

  broadcast(message: Omit<Message, 'to'>): string {
    return message.content;
  }

  exception(error: ChatError): string {
    return `error: ${error.code}: ${error.message}`;
  }

  // The text protocol has no such frames [protocol 3.1].
  welcome(): null {
    return null;
  }

  signal(): null {
    return null;
  }

  receipts(): null {
    return null;
  }

  news(): null {
    return null;
  }

  caughtUp(): null {
    return null;
  }

  record(): null {
    return null;
  }

  pong(): null {
    return null;
  }

  renewed(): null {
    return null;
  }
}
