import { ChatError } from '../protocol/chat-error.js';
import type { Receipt } from '../protocol/message.js';
import type { CheckedRequest } from '../protocol/send-request.js';
import type { OutcomeListener } from './pending-receipt.js';
import type { Delivery } from './delivery.js';

/**
 * Sends for somebody who waits for the receipt: the application, or a REST call. Rejects with a ChatError. While the
 * disk cannot keep up, it waits before it sends. `repeated`: the message had been accepted before, and this is its
 * receipt.
 */
export async function sendAndWait(
  delivery: Delivery,
  request: CheckedRequest,
): Promise<{ receipt: Receipt; repeated: boolean }> {
  while (delivery.isFull) await new Promise<void>((resolve) => delivery.whenRoom(resolve));
  try {
    return await new Promise((resolve, reject) => {
      const sender: OutcomeListener = {
        onReceipt: (receipt, repeated) => resolve({ receipt, repeated }),
        onRefused: (error: ChatError) => reject(error),
      };
      delivery.send(request, sender);
    });
  } catch (error) {
    if (error instanceof ChatError) delivery.ledger.countRefusal(error.code);
    throw error;
  }
}
