import type { CommitQueue } from './commit-queue.js';

/**
 * A read that answers many users at once: all who ask before it begins share one statement. A server that starts anew
 * has thousands who connect within a second, and a statement for each would cost more than all else of the handshake.
 */
export class BatchLoader<Answer> {
  private next: { readonly users: Set<string>; readonly answers: Promise<Map<string, Answer>> } | null = null;

  /** `read` answers for at most `limit` users; whoever has no answer is left out. */
  constructor(
    private readonly queue: Pick<CommitQueue, 'read'>,
    private readonly limit: number,
    private readonly loadMany: (users: readonly string[]) => Promise<Map<string, Answer>>,
  ) {}

  /** The answer for one user, if there is one; rejects with STORE_UNAVAILABLE when the disk can't be read. */
  async load(user: string): Promise<Answer | undefined> {
    if (!this.next || this.next.users.size >= this.limit) this.next = this.begin();
    this.next.users.add(user);
    return (await this.next.answers).get(user);
  }

  private begin() {
    const users = new Set<string>();
    const answers = this.queue.read(() => {
      if (this.next?.users === users) this.next = null;
      return this.loadMany([...users]);
    });
    return { users, answers };
  }
}
