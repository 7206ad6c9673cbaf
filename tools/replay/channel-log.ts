import { parseUserName } from '../../src/protocol/user-name.js';

/** An event in a channel. `line` is the line of the log, from 1. */
export type ChannelEvent =
  | { readonly type: 'join'; readonly line: number; readonly user: string }
  | { readonly type: 'leave'; readonly line: number; readonly user: string }
  | {
      readonly type: 'direct';
      readonly line: number;
      readonly from: string;
      readonly to: string;
      readonly content: string;
    }
  | { readonly type: 'broadcast'; readonly line: number; readonly from: string; readonly content: string };

/** A channel's log, ready to be played. Who joins was absent before, and who leaves or speaks was present. */
export interface ChannelLog {
  /** Everybody who is named in the log, present or not. */
  readonly users: readonly string[];
  /** Who was there before the first line. */
  readonly presentBefore: readonly string[];
  readonly events: readonly ChannelEvent[];
  /** Lines that are not played: actions, other notices, and users who leave without having been there. */
  readonly ignoredLines: number;
}

const HOST = String.raw` +\[[^\]\s]+@[^\]\s]+\] +`;
const JOINED = new RegExp(`^=== (.+?)${HOST}has joined #`);
const LEFT = new RegExp(`^=== (.+?)${HOST}has (?:left|quit)\\b`);
const RENAMED = /^=== (.+?) +is now known as (.+)$/;
const SAID = /^\[\d\d:\d\d\] <([^>]+)> ?(.*)$/;

type LogLine = { readonly line: number } & (
  | { readonly kind: 'joined' | 'left'; readonly user: string }
  | { readonly kind: 'renamed'; readonly user: string; readonly newName: string }
  | { readonly kind: 'said'; readonly user: string; readonly text: string }
);

/** Reads the log of an IRC channel. */
export function parseChannelLog(text: string): ChannelLog {
  const written = text.split(/\r?\n/);
  if (written.at(-1) === '') written.pop();
  const users = new Map<string, string>();
  const lines = written.flatMap((line, index) => readLine(line, index + 1, users) ?? []);
  const channel = new Channel(users);
  for (const line of lines) channel.play(line);
  return {
    users: [...new Set(users.values())],
    presentBefore: channel.presentBefore,
    events: channel.events,
    ignoredLines: written.length - lines.length + channel.ignoredLines,
  };
}

/** Returns null for a line that is not played. It adds the nicks that the line names. */
function readLine(written: string, line: number, users: Map<string, string>): LogLine | null {
  const user = (nick: string) => {
    // A user name never has a `|`: it ends the recipient in a frame of the text protocol.
    const name = parseUserName(nick.replaceAll('|', '_'));
    if (name !== null) users.set(nick.trim(), name);
    return name;
  };
  const joined = JOINED.exec(written);
  const left = LEFT.exec(written);
  const renamed = RENAMED.exec(written);
  const said = SAID.exec(written);
  const name = user((joined ?? left ?? renamed ?? said)?.[1] ?? '');
  if (name === null) return null;
  if (said) return { kind: 'said', line, user: name, text: said[2]! };
  if (!renamed) return { kind: joined ? 'joined' : 'left', line, user: name };
  const newName = user(renamed[2]!);
  return newName === null ? null : { kind: 'renamed', line, user: name, newName };
}

/** Who is in the channel at each line of its log. The log does not show broken connections, but a second join does. */
class Channel {
  readonly presentBefore: string[] = [];
  readonly events: ChannelEvent[] = [];
  ignoredLines = 0;
  private readonly seen = new Set<string>();
  private readonly present = new Set<string>();

  constructor(private readonly users: ReadonlyMap<string, string>) {}

  play(line: LogLine): void {
    switch (line.kind) {
      case 'joined':
        return this.join(line.user, line.line);
      case 'left':
        if (!this.seen.has(line.user)) this.ignoredLines += 1;
        return this.leave(line.user, line.line);
      case 'renamed':
        this.expect(line.user, line.line);
        this.leave(line.user, line.line);
        return this.join(line.newName, line.line);
      case 'said':
        this.expect(line.user, line.line);
        this.events.push(this.message(line.user, line.text, line.line));
    }
  }

  /** Only `other: text` with a nick of the log is direct. `other, text` and the like are for all. */
  private message(from: string, text: string, line: number): ChannelEvent {
    const colon = text.indexOf(': ');
    const to = this.users.get(text.slice(0, Math.max(0, colon)));
    return to === undefined
      ? { type: 'broadcast', line, from, content: text }
      : { type: 'direct', line, from, to, content: text.slice(colon + 2) };
  }

  private join(user: string, line: number): void {
    this.leave(user, line);
    this.seen.add(user);
    this.present.add(user);
    this.events.push({ type: 'join', line, user });
  }

  private leave(user: string, line: number): void {
    if (this.present.delete(user)) this.events.push({ type: 'leave', line, user });
  }

  /** Who does something is present. If nothing was seen of them yet, they were there before the first line. */
  private expect(user: string, line: number): void {
    if (this.seen.has(user)) {
      if (!this.present.has(user)) this.join(user, line);
      return;
    }
    this.seen.add(user);
    this.present.add(user);
    this.presentBefore.push(user);
  }
}

/**
 * The same log played by sleepy clients, such as phones. A user who has neither joined nor spoken for `awakeLines`
 * lines loses the connection, and gets it back with the next own line. In a log where everybody stays online nothing
 * has to wait. Here many messages have to.
 */
export function withSleepers(log: ChannelLog, awakeLines: number): ChannelLog {
  const awakeSince = new Map(log.presentBefore.map((user) => [user, 0]));
  const events: ChannelEvent[] = [];
  for (const event of log.events) {
    const { line } = event;
    for (const [user, since] of awakeSince) {
      if (line - since <= awakeLines) continue;
      awakeSince.delete(user);
      events.push({ type: 'leave', line, user });
    }
    if (event.type === 'leave') {
      if (awakeSince.delete(event.user)) events.push(event);
      continue;
    }
    const user = event.type === 'join' ? event.user : event.from;
    if (!awakeSince.has(user)) events.push({ type: 'join', line, user });
    awakeSince.set(user, line);
    if (event.type !== 'join') events.push(event);
  }
  return { ...log, events };
}
