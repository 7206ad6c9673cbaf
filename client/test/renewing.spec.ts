import { jwt, onFakeTime, pass, stage } from './stage.js';

onFakeTime();

describe('renewing a token', () => {
  it('goes by the clock of the server, however wrong that of the device is', async () => {
    const serverTime = Date.now() - 3_600_000;
    const expiresInMinutes = [2, 30, 60];
    let asked = 0;
    const { client, online, server } = stage({
      token: () => jwt(serverTime / 1_000 + expiresInMinutes[asked++]! * 60),
    });
    server.pongs();
    await online({ serverTime: new Date(serverTime).toISOString() });
    await pass(61_000);
    expect(asked).toBe(2);
    await pass(20 * 60_000);
    expect(asked).toBe(2);
    await pass(8 * 60_000 + 1_000);
    expect(asked).toBe(3);
    await client.close();
  });

  it('takes a pause between connections, however soon every token expires', async () => {
    let count = 0;
    const { client, server, online } = stage({ token: () => `token-${(count += 1)}` });
    (await online()).end(4401);
    for (let n = 0; n < 20; n += 1) {
      await pass(0);
      const socket = server.last;
      if (socket.isClosed) continue;
      socket.welcome();
      await pass(0);
      socket.end(4401);
    }
    expect(count).toBeLessThan(4);
    await client.close();
  });
});
