import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { renderToPipeableStream } from 'react-dom/server';
import { createClient } from '../src/index.js';
import { HoldfastProvider, useConnection, usePending } from '../src/react.js';
import { DeafSocket } from './fake-client.js';

function Page() {
  const { state, why } = useConnection();
  return <p>{[state, why, usePending().length].join('|')}</p>;
}

describe('on a server that renders pages', () => {
  it('a page is rendered as idle, and its client neither connects nor keeps the process alive', async () => {
    // React's own next turn does not keep the process alive for long.
    const active = () => process.getActiveResourcesInfo().filter((kind) => kind !== 'Immediate');
    const before = active();
    const client = createClient({
      url: '/chat', // Only a browser knows of which host.
      user: 'alice',
      token: () => {
        throw new Error('nobody may ask for it');
      },
      WebSocket: DeafSocket,
    });
    const { pipe } = renderToPipeableStream(
      <HoldfastProvider client={client}>
        <Page />
      </HoldfastProvider>,
    );
    expect(await text(pipe(new PassThrough()))).toBe('<p>idle||0</p>');
    expect(DeafSocket.made).toEqual([]);
    expect(active()).toEqual(before);
  });
});
