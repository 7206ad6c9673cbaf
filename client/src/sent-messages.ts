import { RefusedError, type PendingMessage, type Receipt, type ReceiptEvent, type SentMessage } from './api.js';
import { unheard } from './unheard.js';

interface Waiting {
  readonly sent: SentMessage;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: RefusedError) => void;
}

/** What this tab has sent and knows no outcome of. */
export class SentMessages {
  readonly #waiting = new Map<string, Waiting>();

  get(id: string): SentMessage | undefined {
    return this.#waiting.get(id)?.sent;
  }

  add(message: PendingMessage, kept: SentMessage['kept']): SentMessage {
    let waiting: Omit<Waiting, 'sent'>;
    const settled = new Promise<Receipt>((resolve, reject) => (waiting = { resolve, reject }));
    const sent: SentMessage = { ...message, kept: unheard(kept), settled: unheard(settled) };
    this.#waiting.set(message.id, { ...waiting!, sent });
    return sent;
  }

  settle(receipt: ReceiptEvent): void {
    const { id, status, code, message = '' } = receipt;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (status === 'refused') waiting?.reject(new RefusedError(code!, message));
    else waiting?.resolve(receipt as Receipt);
  }

  /** The client is closed: what it did not send goes out with another one, if the store is persistent. */
  close(): void {
    for (const { reject } of this.#waiting.values()) reject(new RefusedError('CLOSED', 'the client was closed'));
    this.#waiting.clear();
  }
}
