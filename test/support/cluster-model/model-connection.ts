import type { Broadcast } from '../../../src/connections/broadcast.js';
import { newId, type Message } from '../../../src/protocol/message.js';
import type { ModelClient } from './model-client.js';
import type { ModelNode } from './model-node.js';

/** What a node writes to a client. */
export type ToClient =
  | { readonly event: 'welcome' }
  | { readonly event: 'message'; readonly seq: number; readonly message: Message }
  | { readonly event: 'caught-up' }
  | { readonly event: 'receipt'; readonly id: string }
  | { readonly event: 'refused'; readonly id: string }
  | { readonly event: 'close'; readonly code: number };

/** A connection of the model: both ends, and the network between them, which keeps the order and takes 1 to 6 ms. */
export class ModelConnection {
  readonly id = newId();
  readonly user: string;
  isOpen = true;
  private toClientAt = 0;
  private toNodeAt = 0;

  constructor(
    readonly client: ModelClient,
    readonly node: ModelNode,
  ) {
    this.user = client.user;
    this.process = node.process;
  }

  /** The run of the node that it was opened with. */
  readonly process: ModelNode['process'];

  onOpened(): void {
    this.write({ event: 'welcome' });
  }

  onMessage(message: Message, seq: number): void {
    this.write({ event: 'message', seq, message });
  }

  onBroadcast(_broadcast: Broadcast): boolean {
    return true;
  }

  onCaughtUp(): void {
    this.write({ event: 'caught-up' });
  }

  writeSignal(): boolean {
    return true;
  }

  writeEndings(): void {}

  /** The node closes it; its end of the socket is gone soon. */
  close(code: number): void {
    if (!this.isOpen) return;
    this.write({ event: 'close', code });
    this.isOpen = false;
    this.process.after(1, () => this.node.onClosed(this));
  }

  write(frame: ToClient): void {
    if (!this.isOpen || this.process.state === 'dead') return;
    const { time } = this.process;
    this.toClientAt = Math.max(this.toClientAt, time.now + 1 + time.chance() * 5) + 0.001;
    time.after(this.toClientAt - time.now, () => this.client.onFrame(this, frame));
  }

  /** Something of the client arrives at the node. */
  tell(work: () => void): void {
    const { time } = this.process;
    this.toNodeAt = Math.max(this.toNodeAt, time.now + 1 + time.chance() * 5) + 0.001;
    time.after(this.toNodeAt - time.now, () => this.process.enter(work));
  }
}
