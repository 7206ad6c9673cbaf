import type { Clock } from '../options/clock.js';
import { errors } from '../protocol/chat-error.js';
import type { CheckedRequest } from '../protocol/send-request.js';
import type { Decision } from './policy.js';

const DAY_MS = 24 * 3_600_000;
/** How many senders are remembered, the last ones to send; and of each, how many users they have written to. */
const MAX_SENDERS = 10_000;
const MAX_PEERS = 32;

/** Knows whether two users have a recorded conversation. */
interface Conversations {
  has(user: string, peer: string): Promise<boolean>;
}

/** What one user has sent. */
interface Sender {
  /** Users with whom there is a conversation, the last ones. */
  readonly peers: Set<string>;
  /** When conversations were begun in the last 24 hours. */
  begun: number[];
}

/**
 * Limits how many recorded conversations one user begins in 24 hours, by what connections send: somebody who writes to
 * everybody is held up, and who talks with the same people never is. A first message to somebody costs one look at the
 * record. It counts what passes this process, from its start on.
 */
export class ConversationQuota {
  /** By name, the one that has sent last at the end. */
  private readonly senders = new Map<string, Sender>();

  constructor(
    private readonly conversations: Conversations,
    private readonly perDay: number,
    private readonly clock: Clock,
  ) {}

  /** Returns the same decision, or a promise of it. Throws or rejects with SENDER_QUOTA for one conversation too many. */
  judge(decision: Decision | Promise<Decision>): Decision | Promise<Decision> {
    return decision instanceof Promise ? decision.then((decided) => this.check(decided)) : this.check(decision);
  }

  private check(decision: Decision): Decision | Promise<Decision> {
    // What is never stored begins no conversation.
    if (decision?.to === undefined || decision.ttl === 0) return decision;
    const sender = this.senderOf(decision.from);
    return sender.peers.has(decision.to) ? decision : this.begin(decision, decision.to, sender);
  }

  private async begin(decision: CheckedRequest, peer: string, sender: Sender): Promise<Decision> {
    if (!(await this.isKnown(decision.from, peer))) {
      const now = this.clock.now();
      sender.begun = sender.begun.filter((time) => time > now - DAY_MS);
      if (sender.begun.length >= this.perDay) throw errors.conversationQuota(this.perDay, decision.id);
      sender.begun.push(now);
    }
    makeRoom(sender.peers, MAX_PEERS);
    sender.peers.add(peer);
    return decision;
  }

  private async isKnown(user: string, peer: string): Promise<boolean> {
    try {
      return await this.conversations.has(user, peer);
    } catch {
      return true; // While the store can't be read it refuses messages itself, and nobody is to be held up for it.
    }
  }

  private senderOf(name: string): Sender {
    const sender = this.senders.get(name) ?? { peers: new Set(), begun: [] };
    this.senders.delete(name);
    makeRoom(this.senders, MAX_SENDERS);
    this.senders.set(name, sender);
    return sender;
  }
}

/** Removes the oldest when there are so many. */
function makeRoom(names: Set<string> | Map<string, unknown>, most: number): void {
  if (names.size < most) return;
  const [oldest] = names.keys();
  if (oldest !== undefined) names.delete(oldest);
}
