import { ChatError } from '../protocol/chat-error.js';
import type { Command, ServerCodec } from '../protocol/frames.js';
import { toIsoTime, type Message } from '../protocol/message.js';
import { explainUserName, parseUserName } from '../protocol/user-name.js';

/** The text protocol, for any WebSocket client without a library [protocol 3]. There is one for each connection, as it knows the last recipient. */
export class TextCodec implements ServerCodec {
  readonly protocol = 'text';
  private lastRecipient: string | null = null;

  /** Reads `to|content`, `|content` for the last recipient, or a broadcast; throws a ChatError. */
  decode(frame: string): Command {
    const bar = frame.indexOf('|');
    if (bar < 0) return { type: 'broadcast', content: frame };
    return { type: 'send', to: this.recipient(frame.slice(0, bar)), content: frame.slice(bar + 1) };
  }

  private recipient(written: string): string {
    if (written.trim() !== '') {
      // After a name that is none, nobody is the last recipient: what follows was not meant for the one before.
      this.lastRecipient = parseUserName(written);
      if (this.lastRecipient === null) {
        throw new ChatError('BAD_RECIPIENT', `${explainUserName(written)}; correct what stands before the first "|"`);
      }
    }
    if (this.lastRecipient === null) {
      throw new ChatError(
        'NO_RECIPIENT',
        'there is no last recipient on this connection; put a user name before the "|"',
      );
    }
    return this.lastRecipient;
  }

  message(message: Message, _seq: number, late: boolean): string {
    return late ? `${toIsoTime(message.sentAt)}:${message.content}` : message.content;
  }

  broadcast(message: Omit<Message, 'to'>): string {
    return message.content;
  }

  exception(error: ChatError): string {
    return `error: ${error.code}: ${error.message}`;
  }

  // The text protocol has no words for these [protocol 3.1].
  welcome(): null {
    return null;
  }

  receipts(): null {
    return null;
  }

  caughtUp(): null {
    return null;
  }
}
