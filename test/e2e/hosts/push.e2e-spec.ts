import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { AddressInfo } from 'node:net';
import { AppModule, PushService } from '../../../examples/push.js';
import { ChatService, ChatWsAdapter, type ChatModuleOptions } from '../../../src/index.js';
import { inMemory, TestClient } from '../../../src/testing/index.js';
import { eventually } from '../../support/deadline.js';
import { ManualClock } from '../../support/manual-clock.js';

let app: INestApplication;
let clock: ManualClock;
let push: PushService;
let chat: ChatService;
let count = 0;

async function start(options: ChatModuleOptions = {}): Promise<void> {
  clock = new ManualClock();
  const builder = inMemory(Test.createTestingModule({ imports: [AppModule] }), { clock, ...options });
  app = (await builder.compile()).createNestApplication({ logger: false });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  await app.listen(0, '127.0.0.1');
  push = app.get(PushService);
  chat = app.get(ChatService, { strict: false });
}

afterEach(() => app.close());

/** Sends to Bob and waits until it is stored or confirmed. Listeners have been called by then. */
async function sendToBob(times = 1): Promise<void> {
  const sends = Array.from({ length: times }, () =>
    chat.send({ from: 'alice', to: 'bob', content: String((count += 1)) }),
  );
  await Promise.all(sends);
  await passed();
}

/** Waits until everything earlier has happened: a message to another user is pushed after it. */
async function passed(): Promise<void> {
  const marker = `nobody-${(count += 1)}`;
  await chat.send({ from: 'alice', to: marker, content: 'x' });
  await eventually(() => push.sent.some((line) => line.startsWith(`${marker}:`)));
}

const toBob = () => push.sent.filter((line) => line.startsWith('bob:')).length;

/** A phone without a network: it confirms nothing, and the server does not know that it is gone. */
function halfOpen(): Promise<TestClient> {
  const { port } = app.getHttpServer().address() as AddressInfo;
  return TestClient.open(`ws://127.0.0.1:${port}/chat?user=bob`, [], { autoPong: false });
}

const offline = () => eventually(() => !chat.isOnline('bob'));

/** Two heartbeats: a client that does not answer the first ping is closed at the second. */
async function heartbeats(): Promise<void> {
  await eventually(() => (clock.advance(25_000), !chat.isOnline('bob')));
}

describe('who is away is told', () => {
  it('once for fifty messages, until they have been back', async () => {
    await start();
    await sendToBob(50);
    await sendToBob();
    expect(toBob()).toBe(1);
    const bob = await TestClient.connect(app, 'bob');
    await bob.take(51);
    await bob.close();
    await offline();
    await passed();
    expect(toBob()).toBe(1);
    await sendToBob(3);
    expect(toBob()).toBe(2);
  });

  it('when their phone is found to be silent, once for all that it did not confirm', async () => {
    await start();
    await halfOpen();
    for (let n = 0; n < 3; n += 1) {
      const sent = sendToBob();
      await eventually(async () => (clock.advance(250), (await chat.pending('bob')) > n));
      await sent;
    }
    expect(toBob()).toBe(0);
    await heartbeats();
    await eventually(() => toBob() > 0);
    await sendToBob(5);
    expect(toBob()).toBe(1);
  });

  it('when their phone falls silent before anything was stored', async () => {
    await start();
    const phone = await halfOpen();
    const sent = sendToBob();
    await phone.next();
    await phone.drop();
    await sent;
    expect(toBob()).toBe(1);
  });

  it('not of what reached them, nor when another phone of theirs has it', async () => {
    await start({ sessions: 'multiple' });
    await halfOpen();
    const bob = await TestClient.connect(app, 'bob');
    await sendToBob(3);
    await bob.take(3);
    await eventually(() => (clock.advance(25_000), chat.connections('bob').length === 1));
    await bob.close();
    await offline();
    await passed();
    expect(toBob()).toBe(0);
  });

  it('with the next message when the push failed', async () => {
    await start();
    const works = push.send.bind(push);
    push.send = () => Promise.reject(new Error('no network'));
    await chat.send({ from: 'alice', to: 'bob', content: 'x' });
    await new Promise((resolve) => setImmediate(resolve));
    push.send = works;
    await sendToBob();
    expect(toBob()).toBe(1);
  });
});
