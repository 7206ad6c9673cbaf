import type { ClusterCrowd } from './cluster-crowd.js';
import { ClusterPeer, type Session } from './cluster-peer.js';
import type { SentMessage } from './history.js';

/** The most messages of one sender that are under way without a receipt. */
const OUTSTANDING = 16;
/** One in this number of contents is long. */
const LONG_EVERY = 50;
const LONG_CHARACTERS = 20_000;
/** A refused message is sent again after this many beats. */
const PATIENCE = 15;

/**
 * Sends to everybody. After a reconnect, and after refusals that are temporary, it sends what has no receipt again, with
 * the same ids and in the same order, before anything new.
 */
export class ClusterSender extends ClusterPeer {
  receipts = 0;
  private sent = 0;
  private readonly outstanding = new Map<string, SentMessage>();
  private readonly refused = new Set<string>();
  private patience = 0;

  constructor(user: string, crowd: ClusterCrowd) {
    super(user, crowd);
  }

  get unanswered(): number {
    return this.outstanding.size;
  }

  /** Sends the next message if it may. */
  beat(): void {
    if (!this.isOpen) return;
    if (this.refused.size > 0) this.sendRefused();
    else if (!this.crowd.isEnding && this.outstanding.size < OUTSTANDING) {
      const message = this.nextMessage();
      this.outstanding.set(message.id, message);
      this.send(message);
    }
    const { isEnding, doSendersRoam, random } = this.crowd;
    if (doSendersRoam && !isEnding && random.between(1, 1_000) === 1) this.roam();
  }

  protected override onOpen(): void {
    this.refused.clear();
    for (const message of this.outstanding.values()) this.send(message);
  }

  protected onFrame(_session: Session, frame: string): void {
    const { event, data } = JSON.parse(frame);
    if (event === 'receipts') for (const receipt of data) this.onReceipt(receipt);
    else if (event === 'exception') this.onRefusal(data);
  }

  private onReceipt({ id, status, position }: { id: string; status: string; position?: string }): void {
    this.outstanding.delete(id);
    this.refused.delete(id);
    this.receipts += 1;
    this.crowd.history.receipted(this.user, id, status, position);
  }

  private onRefusal({ id, code, temporary }: { id: string; code: string; temporary: boolean }): void {
    if (!temporary) this.crowd.history.unforeseen(`${this.user} is refused ${id} for good: ${code}`);
    this.crowd.history.refused(this.user, id);
    if (!this.outstanding.has(id)) return;
    this.refused.add(id);
    this.patience = PATIENCE;
  }

  private sendRefused(): void {
    if ((this.patience -= 1) > 0) return;
    const again = [...this.outstanding.values()].filter(({ id }) => this.refused.has(id));
    this.refused.clear();
    for (const message of again) this.send(message);
  }

  private send(message: SentMessage): void {
    const { id, to, content } = message;
    this.crowd.history.attempted(message);
    this.write(this.session!, 'send', { id, to, content });
  }

  // A text reader sees only the content, so the content has to say who sent what.
  private nextMessage(): SentMessage {
    const { random, recipients } = this.crowd;
    const id = `${this.user}-${(this.sent += 1)}`;
    const length = random.between(1, LONG_EVERY) === 1 ? LONG_CHARACTERS : random.between(0, 200);
    const content = `${this.user} ${id} ${'é|\n'.repeat(length / 3)}`;
    return { id, from: this.user, to: random.pick(recipients), content };
  }
}
