import type { ConnectionInfo } from '../connections/connection-info.js';
import type { Message } from '../protocol/message.js';

/** A message without its content. */
export type MessageHeader = Omit<Message, 'content'>;

/** What happens in a chat, by the name of the event. Times are milliseconds since 1970. */
export interface ChatEvents {
  /** A connection was opened. */
  connected: ConnectionInfo;
  /** A connection has ended; `online`: its user has another one. */
  disconnected: ConnectionInfo & { readonly online: boolean };
  /** A direct message was taken: its recipient's connection has it, or the disk. */
  accepted: Message;
  /**
   * A direct message was committed to the store. `online` is false for a recipient who is away, who could be told by other
   * means that something waits; true for one who has a connection and did not confirm in time.
   */
  stored: Message & { readonly online: boolean };
  /** A direct message was confirmed by its recipient. */
  confirmed: MessageHeader;
  /** A stored message was fetched by nobody in `retentionMs`. */
  expired: MessageHeader;
  /** A stored message was deleted by an administrator. */
  purged: MessageHeader;
  /** A stored message had to go from a full mailbox (`overflow: 'evict-oldest'`). */
  evicted: MessageHeader;
}

/** The metadata of a method that listens, which are the names of its events. */
export const CHAT_EVENT = 'holdfast:event';

type Listener<Name extends keyof ChatEvents> = (event: ChatEvents[Name]) => unknown;

/**
 * Lets a method of a provider hear of an event, after it has happened. Nobody waits for it: what it throws or rejects with
 * is logged, and touches neither the chat nor other listeners. What happens after a kill is not told again. Of providers
 * that are no singletons none is called. The async context is nobody's: of no request and no connection.
 */
export function OnChatEvent<Name extends keyof ChatEvents>(
  name: Name,
): <Method extends Listener<Name>>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<Method>,
) => void {
  return (_target, _key, { value: method }) => {
    const others = (Reflect.getMetadata(CHAT_EVENT, method!) ?? []) as string[];
    Reflect.defineMetadata(CHAT_EVENT, [...others, name], method!);
  };
}
