// A conversation is a pair of users. Its name has both names in order, so that both sides name it alike.

/** Returns the name of the conversation of two users: no user name has a line feed. */
export function conversationOf(one: string, other: string): string {
  return one < other ? `${one}\n${other}` : `${other}\n${one}`;
}

/**
 * Returns which of the two directions of a conversation a message goes: 1 when the name of its sender is the greater
 * one. Each direction has one home at a time, so positions that differ in it never meet.
 */
export function directionOf(from: string, to: string): 0 | 1 {
  return from > to ? 1 : 0;
}
