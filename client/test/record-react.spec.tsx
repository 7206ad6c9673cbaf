import { closePage, document } from './dom.js'; // First: React DOM looks for a page when it is imported.
import { act, StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { eventually } from '../../test/support/deadline.js';
import { createClient as createPlainClient } from '../src/index.js';
import { HoldfastProvider } from '../src/react.js';
import { createClient, statusOf, type RecordClient } from '../src/record/index.js';
import { useConversation, useConversations, useRecord, useUnread } from '../src/record/react.js';
import { DeafSocket } from './fake-client.js';
import { FakeServer } from './fake-server.js';
import { at, FakeRecord } from './record-stage.js';

function Chat() {
  const chat = useRecord();
  const bob = useConversation('bob');
  return (
    <main>
      <i>{useUnread()}</i>
      <b>{useConversations().map((each) => `${each.with} ${each.unread} `)}</b>
      {bob.messages.map((message) => (
        <p key={message.position}>{`${message.content}, ${statusOf(bob, message)}`}</p>
      ))}
      <button onClick={() => chat.markRead('bob')}>{String(bob.isLoaded)}</button>
    </main>
  );
}

const page = (client: RecordClient) => (
  <StrictMode>
    <HoldfastProvider client={client}>
      <Chat />
    </HoldfastProvider>
  </StrictMode>
);

describe('the hooks of the record', () => {
  afterAll(() => closePage());

  it('show conversations, messages, unread and marks, and what a server renders', async () => {
    Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
    const record = new FakeRecord();
    const server = new FakeServer();
    server.answer = (socket, frame) => record.answer(socket, frame);
    const { WebSocket } = server;
    const client = createClient({ url: 'ws://chat.test/chat', user: 'alice', store: 'memory', WebSocket });
    expect(renderToString(page(client))).toBe('<main><i>0</i><b></b><button>false</button></main>');
    record.add(1, 'alice', 'bob', 'hello');
    record.add(2, 'bob', 'alice', 'hi');
    record.add(3, 'carol');
    const container = document.createElement('div');
    const root = createRoot(container);
    act(() => root.render(page(client)));
    await act(() => eventually(() => server.sockets.length > 0));
    act(() => server.last.welcome({ recordMs: 60_000 }));
    const shows = async (text: string) => {
      await act(() =>
        eventually(
          () => container.textContent === text,
          () => `${text}; it is ${container.textContent}`,
        ),
      );
    };
    await shows('2carol 1 bob 1 hello, senthi, senttrue');
    act(() => server.last.say('mark', { with: 'bob', user: 'bob', read: at(1) }));
    act(() => container.querySelector('button')!.click());
    await shows('1carol 1 bob 0 hello, readhi, senttrue');
    act(() => server.last.message('id-4', { ...record.add(4, 'bob', 'alice', 'there?') }));
    await shows('2bob 1 carol 1 hello, readhi, sentthere?, senttrue');
    act(() => root.unmount());
    await client.close();
  });

  it('say which client they need', () => {
    const client = createPlainClient({ url: 'ws://chat.test/chat', store: 'memory', WebSocket: DeafSocket });
    expect(() => renderToString(page(client as RecordClient))).toThrow('createClient of holdfast-client/record');
  });
});
