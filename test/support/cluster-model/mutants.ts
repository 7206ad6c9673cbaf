import { Attachments } from '../../../src/cluster/attachments.js';
import { LinkedEdge } from '../../../src/cluster/linked-edge.js';
import { OutstandingSends } from '../../../src/cluster/outstanding-sends.js';
import { DeliveryService } from '../../../src/delivery/delivery.service.js';
import { Handover } from '../../../src/delivery/handover.js';

import type { MailboxKey } from '../../../src/delivery/mailbox-store.js';
import type { Moment } from '../../../src/options/clock.js';

/** Faults that are made on purpose, to see that the checks of the model find them. */
export type Mutant =
  | 'resends in the wrong order'
  | 'no stream numbers'
  | 'no ages'
  | 'no new block'
  | 'no fence, no lease'
  | 'frames of old attachments'
  | 'release without waiting'
  | 'no resend'
  | 'no prefix rule';

/** Puts a fault into the classes of the cluster; returns a function that takes it out again. */
export function sabotage(mutant: Mutant | null): () => void {
  switch (mutant) {
    case 'resends in the wrong order':
      return replace(
        OutstandingSends,
        'begin',
        (begin) =>
          function (this: unknown, ofSlot: { sends: Map<unknown, unknown> }) {
            const { sends } = ofSlot;
            ofSlot.sends = new Map([...sends].reverse());
            begin.call(this, ofSlot);
            for (const n of sends.keys()) if (!ofSlot.sends.has(n)) sends.delete(n);
            ofSlot.sends = sends;
          },
      );
    case 'no stream numbers':
      return replace(
        LinkedEdge,
        'accept',
        (accept) =>
          function (this: { refused: Map<number, number> }, ...frame: unknown[]) {
            this.refused.clear();
            accept.apply(this, frame);
          },
      );
    case 'no ages': {
      let newest = 0;
      return replace(
        Attachments,
        'tryToAttach',
        (tryToAttach) =>
          function (this: unknown, attachment: { opened: Moment }) {
            attachment.opened = { at: (newest += 1), errorMs: 0 };
            tryToAttach.call(this, attachment);
          },
      );
    }
    case 'frames of old attachments':
      return replace(
        Attachments,
        'onUnattached',
        (onUnattached) =>
          function (this: { byNumber: Map<number, unknown> }, attachment: unknown) {
            const before = new Map(this.byNumber);
            onUnattached.call(this, attachment);
            for (const [n, each] of before) this.byNumber.set(n, each);
          },
      );
    case 'no resend':
      return replace(
        OutstandingSends,
        'begin',
        (begin) =>
          function (this: unknown, ofSlot: { sends: Map<number, { tries: number }> }) {
            const { sends } = ofSlot;
            ofSlot.sends = new Map([...sends].filter(([, { tries }]) => tries === 0));
            begin.call(this, ofSlot);
            for (const [n, send] of sends) if (send.tries === 0 && !ofSlot.sends.has(n)) sends.delete(n);
            ofSlot.sends = sends;
          },
      );
    case 'no prefix rule':
      return replace(
        Handover,
        'store',
        () =>
          function (this: { handOver(held: unknown): void }, held: unknown) {
            this.handOver(held);
          },
      );
    case 'release without waiting':
      return replace(
        DeliveryService,
        'release',
        () =>
          async function (this: DeliveryService, isReleased: (mailbox: MailboxKey) => boolean) {
            for (const mailbox of [...this['mailboxes'].values()].filter(({ key }) => isReleased(key))) {
              for (const { receiver } of mailbox.readers) {
                this.detach(receiver);
                receiver.onReleased?.();
              }
            }
          },
      );
    default:
      return () => undefined; // Its fault is in the store or the membership of the model.
  }
}

function replace(
  of: { readonly prototype: object },
  name: string,
  made: (original: typeof Function.prototype) => unknown,
): () => void {
  const prototype = of.prototype as Record<string, unknown>;
  const original = prototype[name];
  if (typeof original !== 'function') throw new Error(`${name} has another name now`);
  prototype[name] = made(original);
  return () => {
    prototype[name] = original;
  };
}
