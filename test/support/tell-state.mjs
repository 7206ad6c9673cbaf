// Loaded into a node before it starts: SIGUSR2 writes what it waits for, and for whom.
import { inspect } from 'node:util';

const { ClusterDelivery } = await import('../../dist/cluster/cluster-delivery.js');
let delivery = null;
const { onChanged } = ClusterDelivery.prototype;
ClusterDelivery.prototype.onChanged = function () {
  delivery = this;
  onChanged.call(this);
};

process.on('SIGUSR2', () => process.stdout.write(`${inspect(stateOf(), { depth: 6, breakLength: 160 })}\n`));

function stateOf() {
  if (!delivery) return 'it has not joined';
  const { membership, slots, sends, attachments, links, home } = delivery;
  const { self, state, view, holdsLease } = membership;
  const counts = {};
  for (const each of slots.states) counts[each] = (counts[each] ?? 0) + 1;
  return {
    node: { self, state, holdsLease, version: view.version, nodes: view.nodes },
    slots: counts,
    links: view.nodes.map(({ id }) => ({ id, silence: links.silenceOf(id), ...linkOf(links.to(id)) })),
    sends: [...sends.bySlot.values()].filter(({ sends }) => sends.size > 0).map(sendsOf),
    unattached: [...attachments.unattached].map(({ connection, since }) => ({ user: connection.user, since })),
    isFull: { home: home.isFull, sends: sends.isFull },
    mailboxes: [...home.mailboxes.values()].slice(0, 20).map((mailbox) => inspect(mailbox, { depth: 1 }).slice(0, 600)),
    now: performance.now(),
  };
}

function sendsOf({ slot, sends, stream, owner, brokenAt }) {
  const [oldest] = sends.values();
  return {
    slot,
    owner,
    brokenAt,
    waiting: sends.size,
    oldest: { id: oldest.message.id, sentAt: oldest.sentAt, tries: oldest.tries },
    stream: stream && {
      number: stream.number,
      peer: stream.link.peer,
      open: stream.link.isOpen,
      unwritten: stream.unwritten.size,
    },
  };
}

function linkOf(link) {
  return link ? { isOpen: link.isOpen, waitingBytes: link.waitingBytes } : { isOpen: false };
}
