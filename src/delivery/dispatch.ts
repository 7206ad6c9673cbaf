import { ChatError } from '../protocol/chat-error.js';
import type { Receipt } from '../protocol/message.js';
import type { OutcomeListener } from './pending-receipt.js';
import type { DeliveryService } from './delivery.service.js';

/** A message of somebody who waits for its receipt: the application, or a REST call. All of it is checked. */
export interface Outgoing {
  readonly from: string;
  /** Left out of a broadcast. */
  readonly to?: string | undefined;
  readonly content: string;
  readonly id?: string | undefined;
}

/** Hands a message to delivery and waits for its end; rejects with a ChatError. While the disk can't keep up it waits before. */
export async function dispatch(
  delivery: DeliveryService,
  { from, to, content, id }: Outgoing,
): Promise<{ receipt: Receipt; repeated: boolean }> {
  while (delivery.isFull) await new Promise<void>((resolve) => delivery.whenRoom(resolve));
  try {
    return await new Promise((resolve, reject) => {
      const sender: OutcomeListener = {
        onReceipt: (receipt, repeated) => resolve({ receipt, repeated }),
        onRefused: (error: ChatError) => reject(error),
      };
      if (to === undefined) delivery.broadcast(from, content, id, sender);
      else delivery.send(from, { to, content, id }, sender);
    });
  } catch (error) {
    if (error instanceof ChatError) delivery.ledger.countRefusal(error.code);
    throw error;
  }
}
