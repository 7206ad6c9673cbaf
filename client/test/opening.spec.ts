import { closePage, page } from './dom.js';
import { onFakeTime, pass, settle, stage } from './stage.js';

onFakeTime();
afterAll(() => closePage());

/** The browser tells the page of such an event. */
const hear = (event: string) => page.dispatchEvent(new page.Event(event));

describe('opening a connection', () => {
  it('waits a minute for a token, and does not take the server for dead meanwhile', async () => {
    const { client, server, states, errors } = stage({
      token: () => new Promise((resolve) => setTimeout(resolve, 59_000, 'abc')),
    });
    client.connect();
    await pass(59_000);
    server.last.welcome();
    await settle();
    expect(states.map(({ state }) => state)).toEqual(['connecting', 'online']);
    expect(errors).toEqual([]);
    await client.close();
  });

  it('says that the application is slow when a token does not come, and asks again', async () => {
    let asked = 0;
    const { client, server } = stage({ token: () => ((asked += 1) > 1 ? 'abc' : new Promise(() => undefined)) });
    client.connect();
    await pass(60_000);
    expect(client.state).toMatchObject({ state: 'waiting', why: expect.stringContaining('the application') });
    await pass(500);
    expect([asked, server.sockets.length]).toEqual([2, 1]);
    await client.close();
  });

  it('gives one that hangs 5 s more when the network comes back, and opens another one then', async () => {
    const { client, server } = stage();
    client.connect();
    await pass(1_000);
    hear('online');
    await pass(4_000);
    hear('online'); // It is not put off.
    expect(server.sockets.map(({ isClosed }) => isClosed)).toEqual([false]);
    await pass(1_000);
    expect(server.sockets.map(({ isClosed }) => isClosed)).toEqual([true, false]);
    await pass(15_000);
    expect(client.state).toMatchObject({ state: 'waiting', code: 4408 });
    await client.close();
  });

  it('leaves one alone that is welcomed in time', async () => {
    const { client, server } = stage();
    client.connect();
    await pass(1_000);
    hear('online');
    server.last.welcome();
    await pass(6_000);
    expect([server.sockets.length, client.state.state]).toEqual([1, 'online']);
    await client.close();
  });
});
