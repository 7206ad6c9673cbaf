import type { ErasedUser } from '../admin/whole-chat.js';
import type { ConnectionInfo } from '../connections/connection-info.js';
import type { OutgoingRefusal } from '../outgoing/outgoing-queue.js';
import type { ChatMessage, MessageHeader } from '../protocol/chat-message.js';
import type { Urgency } from '../protocol/wire.js';

/** What waits for one user, in short. */
export interface WaitingEvent {
  readonly user: string;
  /** How many messages wait in the store. */
  readonly count: number;
  /** Who has sent the oldest of them: at most 20 names, in the order of their first message. */
  readonly from: readonly string[];
  /** The newest of them. */
  readonly newest: MessageHeader;
  /** The highest urgency among them. */
  readonly urgency: Urgency;
}

/** What happens in a chat, by the name of the event. Times are milliseconds since 1970. */
export interface ChatEvents {
  /** A connection was opened. */
  connected: ConnectionInfo;
  /** A connection has ended. `online` says whether its user has another one that is open. */
  disconnected: ConnectionInfo & { readonly online: boolean };
  /**
   * A direct message was accepted: it was relayed to a connection of its recipient, or is on the disk. One with a `ttl`
   * of 0 is accepted when it is confirmed.
   */
  accepted: ChatMessage;
  /**
   * A direct message was committed to the store. If `online` is false, the recipient has no open connection and could
   * be notified by other means. If it is true, the recipient is connected, and the message had to wait or was not
   * confirmed in time.
   */
  stored: ChatMessage & { readonly online: boolean };
  /** A direct message was confirmed by its recipient. */
  confirmed: MessageHeader;
  /**
   * Something waits for a user: the oldest stored message is `waitingAfterMs` old, and none was confirmed for as long,
   * whether or not a connection seems to be open. It is told once until the user confirms something or nothing waits any
   * more. This event is awaited: see OnChatEvent.
   */
  waiting: WaitingEvent;
  /** A stored message was not confirmed within `retentionMs`, or within its `ttl`, and was deleted. */
  expired: MessageHeader;
  /** A stored message was deleted by an administrator. */
  purged: MessageHeader;
  /** A stored message was deleted because its mailbox was full (`overflow: 'evict-oldest'`). */
  evicted: MessageHeader;
  /** A stored message was deleted because its sender has stored a newer one with the same topic. */
  replaced: MessageHeader;
  /**
   * A user has read a conversation up to a position, and that is committed. In a cluster it is told on the node to which
   * the user, or the application, has said so.
   */
  read: { readonly user: string; readonly with: string; readonly upTo: string };
  /** A user was erased, with what that has changed. In a cluster it is told on one node. */
  erased: ErasedUser;
  /** A message of `sendInTransaction` or `outgoing` will not be accepted any more, and its row was deleted. */
  refused: OutgoingRefusal;
}

/** The metadata key of a listening method; the value lists its events. */
export const CHAT_EVENT = 'holdfast:event';

type Listener<Name extends keyof ChatEvents> = (event: ChatEvents[Name]) => unknown;

/**
 * Calls a method of a provider after an event has happened. The chat does not wait for it. If it throws or rejects,
 * that is logged, and affects neither the chat nor other listeners. Events are not repeated after a crash. Only methods
 * of singleton providers are called. They run outside of the async context of any request or connection.
 *
 * `waiting` is different. Its listeners are awaited, for up to 30 seconds and for 8 users at once. One that throws,
 * rejects or takes longer is called again after 1 second, then after twice as long each time, up to 10 minutes, as long
 * as something waits. After a restart or a crash it is called for every user for whom it had not succeeded. So it is
 * called at least once for each user and spell, and may be called more than once.
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
