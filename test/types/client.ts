import { createClient, MemoryStore, type HoldfastClient, type ReceiptEvent, type Store } from 'holdfast-client';
import { fileRecord } from 'holdfast-client/node';
import { HoldfastProvider, usePending } from 'holdfast-client/react';
import { createClient as createRecordClient, statusOf, type RecordClient } from 'holdfast-client/record';
import { useConversation } from 'holdfast-client/record/react';
// @ts-expect-error
import { Outbox } from 'holdfast-client/dist/client/src/outbox.js';
import { WebSocket } from 'ws';

const store: Store = new MemoryStore();
const client: HoldfastClient = createClient({
  url: async () => new URL('wss://chat.example.com/chat'),
  token: ({ reason }) => (reason === 'refused' ? null : 'token'),
  store,
  WebSocket,
});
// @ts-expect-error
createClient({ user: 'alice' });
// @ts-expect-error
createClient({ url: '/chat', store: 'disk' });

client.on('message', async ({ from, redelivered }) => [from, redelivered]);
client.on('receipt', ({ status }: ReceiptEvent) => status);
client.on('signal', ({ from, kind, data }) => [from, kind, data]);
client.signal('bob', 'at', { line: 7 });
// @ts-expect-error
client.signal('bob');
// @ts-expect-error
client.on('letter', () => undefined);
// @ts-expect-error
client.on('message', ({ seq }) => seq);
// @ts-expect-error
client.state.state = 'online';

export async function talk(): Promise<Outbox> {
  const { kept, settled } = client.send('bob', 'see you at noon');
  const { persistent } = await kept;
  const { status } = await settled;
  // @ts-expect-error
  const isRefused = status === 'refused';
  return [persistent, isRefused, HoldfastProvider({ client }), usePending()[0]?.at];
}

const recording: RecordClient = createRecordClient({ url: '/chat', recordStore: fileRecord('alice.record') });
recording.on('record', ({ with: name }) => name?.length);
// @ts-expect-error
client.markRead('bob');
// @ts-expect-error
recording.conversation('bob').unread = 0;

export async function look(): Promise<string[]> {
  const { items, before } = await recording.history('bob', { limit: 10 });
  recording.markRead('bob', items.at(-1)?.position);
  const bob = useConversation('bob');
  return [...bob.messages.map((message) => statusOf(bob, message)), before ?? ''];
}
