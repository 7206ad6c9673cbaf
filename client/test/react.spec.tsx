import { closePage, document } from './dom.js'; // First: React DOM looks for a page when it is imported.
import { act, startTransition, StrictMode, useLayoutEffect, useState, type ReactNode } from 'react';
import { createRoot, hydrateRoot, type Root } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { eventually } from '../../test/support/deadline.js';
import { createClient, type ReceivedMessage } from '../src/index.js';
import { HoldfastProvider, useConnection, useHoldfast, useHoldfastEvent, usePending, useTyping } from '../src/react.js';
import { DeafSocket, FakeClient } from './fake-client.js';

const scope = globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean };
let root: Root | null = null;
let container: HTMLElement;

beforeEach(() => {
  scope.IS_REACT_ACT_ENVIRONMENT = true;
  container = document.createElement('div');
  document.body.append(container);
});

afterEach(() => {
  unmount();
  container.remove();
});

afterAll(() => closePage());

function render(node: ReactNode): void {
  root ??= createRoot(container);
  act(() => root!.render(node));
}

function unmount(): void {
  act(() => root?.unmount());
  root = null;
}

/** Resolves when the timers that are due now have fired. */
const dueTimers = () => new Promise((resolve) => setTimeout(resolve, 0));

function State() {
  return <b>{useConnection().state}</b>;
}

function Pending() {
  return <i>{usePending().map(({ id }) => `${id} `)}</i>;
}

describe('HoldfastProvider', () => {
  it('makes one connection where StrictMode mounts it twice, and ends it when it is unmounted', async () => {
    const client = createClient({ url: 'ws://127.0.0.1/chat', store: 'memory', WebSocket: DeafSocket });
    render(
      <StrictMode>
        <HoldfastProvider client={client}>
          <State />
        </HoldfastProvider>
      </StrictMode>,
    );
    await act(() => eventually(() => DeafSocket.made.length > 0));
    await act(() => dueTimers());
    expect(DeafSocket.made.map(({ isClosed }) => isClosed)).toEqual([false]);
    expect(container.textContent).toBe('connecting');
    unmount();
    await eventually(() => DeafSocket.made[0]!.isClosed);
    expect([DeafSocket.made.length, client.state.state]).toEqual([1, 'idle']);
    await client.close();
  });

  it('connects once for all that have the same client, until the last of them is gone', async () => {
    const chat = new FakeClient();
    const providers = (count: number) =>
      Array.from({ length: count }, (_, key) => <HoldfastProvider key={key} client={chat.client} />);
    render(providers(2));
    render(providers(1));
    await dueTimers();
    expect(chat.calls).toEqual(['connect']);
    render(providers(0));
    await dueTimers();
    expect(chat.calls).toEqual(['connect', 'leave']);
    render(providers(1));
    expect(chat.calls).toEqual(['connect', 'leave', 'connect']);
  });

  it('changes from one client to another, as its hooks do', async () => {
    const [first, second] = [new FakeClient(), new FakeClient()];
    await second.become('online');
    for (const { client } of [first, second]) {
      render(
        <HoldfastProvider client={client}>
          <State />
          <Pending />
        </HoldfastProvider>,
      );
    }
    await dueTimers();
    expect([first.calls, second.calls]).toEqual([['connect', 'leave'], ['connect']]);
    await act(async () => {
      await first.become('stopped');
      await second.send('m1');
    });
    expect(container.textContent).toBe('onlinem1 ');
  });

  it('says what is missing where a hook has none above it', () => {
    function Lost() {
      return <>{useHoldfast().user}</>;
    }
    expect(() => renderToString(<Lost />)).toThrow('<HoldfastProvider client={…}>');
  });
});

describe('useConnection', () => {
  it('shows one state in all places, also when it changes while React renders them', async () => {
    scope.IS_REACT_ACT_ENVIRONMENT = false; // It would render without a pause.
    const chat = new FakeClient();
    const pictures: string[][] = [];
    let isChanged = false;
    function Slow() {
      const { state } = useConnection();
      const until = performance.now() + 10;
      while (performance.now() < until); // So that React lets others run before the next one.
      if (!isChanged) setImmediate(() => void chat.become('online'));
      isChanged = true;
      return <b>{state}</b>;
    }
    function Picture() {
      useConnection();
      useLayoutEffect(() => {
        pictures.push([...container.querySelectorAll('b')].map((place) => place.textContent));
      });
      return null;
    }
    let show!: () => void;
    function Places() {
      const [isShown, setIsShown] = useState(false);
      show = () => startTransition(() => setIsShown(true));
      return isShown && [1, 2, 3, 4, 5, 6, 7].map((key) => (key === 7 ? <Picture key={key} /> : <Slow key={key} />));
    }
    root = createRoot(container);
    root.render(
      <HoldfastProvider client={chat.client}>
        <Places />
      </HoldfastProvider>,
    );
    await eventually(() => chat.calls.length > 0);
    show();
    await eventually(() => container.textContent === 'online'.repeat(6));
    scope.IS_REACT_ACT_ENVIRONMENT = true;
    const torn = pictures.filter((states) => new Set(states).size !== 1);
    expect([isChanged, pictures.length > 0, torn]).toEqual([true, true, []]);
  });
});

describe('usePending', () => {
  it('shows what waits, in order, and gives the same array as long as nothing changes', async () => {
    const chat = new FakeClient();
    const given = new Set<unknown>();
    function Watched() {
      given.add(usePending());
      return <Pending />;
    }
    const show = () =>
      render(
        <HoldfastProvider client={chat.client}>
          <Watched />
        </HoldfastProvider>,
      );
    show();
    const shown = [container.textContent];
    for (const change of [() => chat.send('m1'), () => chat.send('m2'), () => chat.settle('m1')]) {
      await act(change);
      show();
      shown.push(container.textContent);
    }
    expect(shown).toEqual(['', 'm1 ', 'm1 m2 ', 'm2 ']);
    expect(given.size).toBe(shown.length);
  });
});

describe('useHoldfastEvent', () => {
  const message: ReceivedMessage = {
    id: 'm1',
    from: 'alice',
    to: 'bob',
    content: 'see you at noon',
    sentAt: '2026-11-23T09:30:00.000Z',
    stored: false,
    redelivered: false,
  };

  it('calls the handler of the last render, once, and none when the component is gone', async () => {
    const chat = new FakeClient();
    const heard: string[] = [];
    function Log({ name }: { name: string }) {
      useHoldfastEvent('message', ({ id }) => heard.push(`${name}: ${id}`));
      return null;
    }
    for (const name of ['first', 'second']) {
      render(
        <StrictMode>
          <HoldfastProvider client={chat.client}>
            <Log name={name} />
          </HoldfastProvider>
        </StrictMode>,
      );
    }
    await chat.tell('message', message);
    unmount();
    await chat.tell('message', message);
    expect(heard).toEqual(['second: m1']);
  });

  it('has its promise waited for, as a message is marked only then', async () => {
    const chat = new FakeClient();
    const steps: string[] = [];
    let finish!: () => void;
    const saved = new Promise<void>((resolve) => (finish = resolve));
    function Log() {
      useHoldfastEvent('message', async () => {
        await saved;
        steps.push('saved');
      });
      return null;
    }
    render(
      <HoldfastProvider client={chat.client}>
        <Log />
      </HoldfastProvider>,
    );
    const handed = chat.tell('message', message).then(() => steps.push('handed'));
    await dueTimers();
    finish();
    await handed;
    expect(steps).toEqual(['saved', 'handed']);
  });
});

describe('a page that a server has rendered', () => {
  it('is taken over without a mismatch by a client that is online, with messages that wait', async () => {
    const [onServer, inBrowser] = [new FakeClient(), new FakeClient()];
    const page = ({ client }: FakeClient) => (
      <HoldfastProvider client={client}>
        <State />
        <Pending />
      </HoldfastProvider>
    );
    container.innerHTML = renderToString(page(onServer));
    expect(container.textContent).toBe('idle');
    await inBrowser.become('online');
    await inBrowser.send('m1');
    const mismatches: unknown[] = [];
    await act(async () => {
      root = hydrateRoot(container, page(inBrowser), { onRecoverableError: (error) => mismatches.push(error) });
    });
    expect(mismatches).toEqual([]);
    expect(container.textContent).toBe('onlinem1 ');
    expect([onServer.calls, inBrowser.calls]).toEqual([[], ['connect']]);
  });
});

describe('useTyping', () => {
  function Typist({ peer }: { peer: string }) {
    const { isTyping, tell } = useTyping(peer);
    return (
      <>
        {`${peer} ${isTyping}`}
        <button onClick={() => tell('see y')} />
        <button onClick={() => tell('')} />
      </>
    );
  }

  const press = (button: 'type' | 'empty') =>
    act(() => container.querySelectorAll('button')[button === 'type' ? 0 : 1]!.click());

  it('hears whether the other types, and tells them, until it is unmounted or about somebody else', async () => {
    const chat = new FakeClient();
    const show = (peer: string) =>
      render(
        <StrictMode>
          <HoldfastProvider client={chat.client}>
            <Typist peer={peer} />
          </HoldfastProvider>
        </StrictMode>,
      );
    show('bob');
    expect(container.textContent).toBe('bob false');
    await act(() => chat.tell('signal', { from: 'carol', kind: 'composing' }));
    expect(container.textContent).toBe('bob false');
    await act(() => chat.tell('signal', { from: 'bob', kind: 'composing' }));
    expect(container.textContent).toBe('bob true');
    press('type');
    press('empty');
    press('type');
    show('carol');
    expect(container.textContent).toBe('carol false');
    expect(chat.signals).toEqual(['bob composing', 'bob paused', 'bob composing', 'bob paused']);
    press('type');
    unmount();
    expect(chat.signals.slice(4)).toEqual(['carol composing', 'carol paused']);
    await chat.tell('signal', { from: 'carol', kind: 'composing' });
  });
});
