import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { AppModule, PushService } from '../../../examples/push.js';
import { ChatService, ChatWsAdapter } from '../../../src/index.js';
import { inMemory, TestClient } from '../../../src/testing/index.js';
import { eventually } from '../../support/deadline.js';
import { ManualClock } from '../../support/manual-clock.js';

describe('the example of notifications', () => {
  let app: INestApplication;
  let clock: ManualClock;
  let push: PushService;
  let chat: ChatService;
  beforeEach(async () => {
    clock = new ManualClock();
    const builder = inMemory(Test.createTestingModule({ imports: [AppModule] }), { clock });
    app = (await builder.compile()).createNestApplication({ logger: false });
    app.useWebSocketAdapter(new ChatWsAdapter(app));
    await app.listen(0, '127.0.0.1');
    push = app.get(PushService);
    chat = app.get(ChatService, { strict: false });
  });
  afterEach(() => app.close());

  const send = (to: string, count = 1) =>
    Promise.all(Array.from({ length: count }, (_, n) => chat.send({ from: 'alice', to, content: String(n) })));

  /** Lets the time pass until there are as many notifications. */
  const untilSent = (count: number) => eventually(() => (clock.advance(1_000), push.sent.length >= count));

  it('wakes who is away once for fifty messages, and again when they were back meanwhile', async () => {
    await send('bob', 50);
    await untilSent(1);
    await send('bob');
    await send('carol');
    await untilSent(2);
    expect(push.sent).toEqual(['bob: 50 new, from alice', 'carol: 1 new, from alice']);
    const bob = await TestClient.connect(app, 'bob');
    await bob.take(51);
    await eventually(async () => (await chat.pending('bob')) === 0);
    await bob.close();
    await send('bob', 3);
    await untilSent(3);
    expect(push.sent.at(-1)).toBe('bob: 3 new, from alice');
  });

  it('tries again when the push fails', async () => {
    const works = push.send.bind(push);
    let failures = 0;
    push.send = () => Promise.reject(new Error(`no network, ${(failures += 1)}`));
    await send('bob');
    await eventually(() => (clock.advance(1_000), failures === 2));
    push.send = works;
    await untilSent(1);
    expect(push.sent).toEqual(['bob: 1 new, from alice']);
  });
});
